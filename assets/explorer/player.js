// The player bar: what plays, transport, waveform, level, marks. It also turns auditions into sound and fetches ahead
// what may be heard next.

import { LONGEST_BUFFERED_S } from "./audio-engine.js";
import { BADGES, reasonOf } from "./badges.js";
import { h, icon, iconButton, perFrame } from "./dom.js";
import { Moments } from "./moments.js";
import { Options } from "./player-options.js";
import { recall } from "./preferences.js";
import { Waveform } from "./waveform.js";

const SELECT_HINT = "Click a row, a point or a bar, or press the down arrow key";
const METER_FLOOR_DB = -60;
/** @type {[Mark, string][]} */
const MARKS = [
  ["keep", "Keep (K)"],
  ["quarantine", "Quarantine (Q)"],
  ["love", "Love (L)"],
];

export class Player {
  /** @param {Session} session @param {AudioEngine} engine @param {Actions} actions */
  constructor(session, engine, actions) {
    this.session = session;
    this.engine = engine;
    this.actions = actions;
    this.frame = 0; // the animation frame that is asked for
    /** @type {string | null} why the selected loop does not sound */
    this.error = null;
    /** @type {Guest | null} the loop of another folder that was asked for last */
    this.guest = null;
    this.asked = ""; // the name of what was asked for last
    Object.assign(engine, {
      loop: recall("loop", true),
      matchLoudness: recall("matchLoudness", true),
      volume: recall("volume", 0.8),
    });
    this.moments = new Moments(session, engine, {
      play: (row, region) => this.play(row, region),
      prefetch: (row) => this.prefetch(row),
      announce: (text) => actions.announce(text),
      changed: () => this.show(),
    });
    this.waveform = new Waveform(session, engine, this.moments);
    this.title = h("strong", { class: "ls-title" }, "Nothing selected");
    this.badge = h("span", { class: "ls-badge", hidden: true });
    this.details = h("span", { class: "ls-reason" }, SELECT_HINT);
    this.button = iconButton("play", "Play or stop (space)", () => this.toggle(), { class: "ls-icon-button ls-main" });
    this.level = h("span", { class: "ls-level-fill" });
    this.marks = MARKS.map(([mark, label]) =>
      iconButton(mark, label, () => actions.mark(mark), { "aria-pressed": "false", "data-mark": mark }),
    );
    this.options = new Options(session, engine);
    this.element = h(
      "section",
      { class: "ls-player", "aria-label": "Player" },
      h(
        "div",
        { class: "ls-transport" },
        iconButton("previous", "Previous in the list (↑)", () => actions.step(-1), {
          class: "ls-icon-button ls-previous",
        }),
        this.button,
        iconButton("next", "Next in the list (↓)", () => actions.step(1)),
      ),
      h("div", { class: "ls-now" }, this.title, h("span", { class: "ls-why" }, this.badge, this.details)),
      h(
        "div",
        { class: "ls-signal" },
        this.waveform.element,
        h("div", { class: "ls-level", role: "presentation" }, this.level),
      ),
      h("div", { class: "ls-marks", role: "group", "aria-label": "Mark this loop" }, this.marks),
      this.options.element,
      this.moments.element,
    );
    session.on("audition", () => this.play(session.selected));
    session.on("selection marks", () => this.show());
    session.on(
      "threshold",
      perFrame(() => this.#judge()),
    );
    session.on("selection", () => session.autoplay || engine.stop());
    engine.addEventListener("change", () => this.#changed());
    engine.addEventListener("failure", (event) => event instanceof CustomEvent && this.#failed(event.detail));
    this.show();
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.moments.close();
    this.waveform.close();
  }

  /** @param {number} row @param {Span | null} region in seconds, null for all of the loop @param {number | null} click in BPM */
  async play(row, region = null, click = null) {
    const { loops } = this.session;
    this.error = null;
    this.asked = loops.names[row];
    const newest = await this.engine.play(loops.ids[row], loops.durations[row], region, click);
    if (newest) this.#prefetchAround(row);
  }

  /** Play a loop of another folder; what is selected stays so. @param {Guest} guest */
  playGuest(guest) {
    this.error = null;
    this.guest = guest;
    this.asked = guest.name;
    this.engine.play(guest.id, guest.seconds);
  }

  toggle() {
    if (this.engine.playing) this.engine.stop();
    else if (this.session.selected >= 0) this.play(this.session.selected);
    else this.actions.step(1);
  }

  /** Play the selected loop from its start, also where it plays. */
  replay() {
    if (this.session.selected >= 0) this.play(this.session.selected);
    else this.actions.step(1);
  }

  /** Jump within the loop that plays, over its end to its start and back. @param {number} share of its length */
  seek(share) {
    const { duration } = this.waveform;
    if (!this.engine.playing || !duration) return;
    this.engine.seek((this.engine.position() + (share + 1) * duration) % duration);
    this.waveform.speak();
  }

  /** Fetch a loop that may be heard next. @param {number} row */
  prefetch(row) {
    const { loops } = this.session;
    if (row >= 0 && loops.durations[row] <= LONGEST_BUFFERED_S) this.engine.cache.prefetch(loops.ids[row]);
  }

  show() {
    const { session } = this;
    const { loops, selected } = session;
    this.moments.show();
    this.element.dataset.moments = String(this.moments.heard);
    if (selected < 0) return this.#clear();
    const mark = session.markOf(selected);
    this.title.textContent = loops.names[selected];
    this.title.title = [loops.pathOf(selected), loops.standing(selected), loops.metadata(selected)].join("\n");
    this.#judge();
    const pending = session.isPending(loops.ids[selected]);
    for (const button of this.marks) {
      button.setAttribute("aria-pressed", String(button.dataset.mark === mark));
      button.title = `${button.ariaLabel}${pending ? ": not saved yet" : ""}`;
      button.classList.toggle("ls-is-pending", pending);
    }
    this.waveform.draw();
  }

  /** Nothing is selected, or not any more. */
  #clear() {
    this.title.textContent = "Nothing selected";
    this.title.title = "";
    this.badge.hidden = true;
    const heard = this.#heard();
    this.details.textContent = this.details.title = this.error ?? (heard ? `You hear: ${heard}` : SELECT_HINT);
    for (const button of this.marks) button.setAttribute("aria-pressed", "false");
  }

  /** Badge and reason of the selected loop; over them why it does not sound, or what else does. */
  #judge() {
    const { session } = this;
    const { loops, selected } = session;
    if (selected < 0) return;
    const badge = session.badgeOf(selected);
    const other = this.engine.id === loops.ids[selected] ? null : this.#heard();
    const instead = this.error ?? (other ? `You hear for comparison: ${other}` : null);
    this.element.dataset.badge = badge;
    this.badge.hidden = instead !== null || badge === "unscored";
    this.badge.textContent = BADGES[badge];
    this.details.textContent = instead ?? reasonOf(session, selected);
    this.details.title = this.details.textContent;
  }

  /** Name of what sounds, null where nothing does. */
  #heard() {
    const { id } = this.engine;
    const row = this.session.loops.row(id);
    return row >= 0 ? this.session.loops.names[row] : id && this.guest?.id === id ? this.guest.name : null;
  }

  /** @param {number} row */
  #prefetchAround(row) {
    this.prefetch(this.actions.peek(1));
    this.prefetch(this.actions.peek(-1));
    const soon = window.requestIdleCallback ?? setTimeout;
    soon(async () => {
      const { session } = this;
      const { loops } = session;
      if (session.selected !== row) return;
      const [nearest] = await loops.neighbours(row);
      if (session.selected === row && session.loops === loops) this.prefetch(nearest ?? -1);
    });
  }

  #changed() {
    const { engine } = this;
    this.button.replaceChildren(icon(engine.playing ? "stop" : "play"));
    this.element.dataset.playing = engine.id ?? "";
    this.options.show();
    this.show();
    this.waveform.speak();
    cancelAnimationFrame(this.frame);
    this.#tick();
  }

  /** @param {string} message */
  #failed(message) {
    const said = `${this.asked}: ${message}`;
    const { loops, selected } = this.session;
    this.error = this.asked === loops.names[selected] ? message : said; // below the name of what is selected
    this.show();
    this.actions.announce(said);
  }

  #tick() {
    this.waveform.follow();
    const decibels = 20 * Math.log10(Math.max(this.engine.level(), 1e-6));
    this.level.style.transform = `scaleY(${Math.min(1, Math.max(0, 1 - decibels / METER_FLOOR_DB))})`;
    if (this.engine.playing) this.frame = requestAnimationFrame(() => this.#tick());
  }
}

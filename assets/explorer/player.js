// The player bar: what plays, transport, waveform, level, marks. It also turns auditions into sound and fetches ahead
// what may be heard next.

import { LONGEST_BUFFERED_S } from "./audio-engine.js";
import { h, icon, iconButton } from "./dom.js";
import * as format from "./format.js";
import { recall, remember } from "./preferences.js";
import { Waveform } from "./waveform.js";

const MATCH_TITLE = "Bring every loop to the same loudness (EBU R128, −18 LUFS)";
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
    Object.assign(engine, {
      loop: recall("loop", true),
      matchLoudness: recall("matchLoudness", true),
      volume: recall("volume", 0.8),
    });
    this.waveform = new Waveform(session, engine);
    this.title = h("strong", { class: "ls-title" }, "Nothing selected");
    this.details = h("span", { class: "ls-note" }, "Click a point, a bar or a row, or press the right arrow key");
    this.button = iconButton("play", "Play or stop (space)", () => this.toggle(), { class: "ls-icon-button ls-main" });
    this.level = h("span", { class: "ls-level-fill" });
    this.gain = h("span", { class: "ls-note ls-gain" });
    this.marks = MARKS.map(([mark, label]) =>
      iconButton(mark, label, () => actions.mark(mark), { "aria-pressed": "false", "data-mark": mark }),
    );
    this.element = h(
      "section",
      { class: "ls-player", "aria-label": "Player" },
      h(
        "div",
        { class: "ls-transport" },
        iconButton("previous", "Previous in the list (←)", () => actions.step(-1)),
        this.button,
        iconButton("next", "Next in the list (→)", () => actions.step(1)),
      ),
      h("div", { class: "ls-now" }, this.title, this.details),
      h(
        "div",
        { class: "ls-signal" },
        this.waveform.element,
        h("div", { class: "ls-level", role: "presentation" }, this.level),
      ),
      h("div", { class: "ls-marks", role: "group", "aria-label": "Mark this loop" }, this.marks),
      h("div", { class: "ls-options" }, this.#toggles(), this.#volume(), this.gain),
    );
    session.on("audition", () => this.play(session.selected));
    session.on("selection marks settled", () => this.show());
    session.on("selection", () => session.autoplay || engine.stop());
    engine.addEventListener("change", () => this.#changed());
    engine.addEventListener("failure", (event) => event instanceof CustomEvent && this.#failed(event.detail));
    this.show();
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.waveform.close();
  }

  /** @param {number} row */
  async play(row) {
    const { loops } = this.session;
    this.error = null;
    const newest = await this.engine.play(loops.ids[row], loops.durations[row]);
    if (newest) this.#prefetchAround(row);
  }

  toggle() {
    if (this.engine.playing) this.engine.stop();
    else if (this.session.selected >= 0) this.play(this.session.selected);
    else this.actions.step(1);
  }

  /** Fetch a loop that may be heard next. @param {number} row */
  prefetch(row) {
    const { loops } = this.session;
    if (row >= 0 && loops.durations[row] <= LONGEST_BUFFERED_S) this.engine.cache.prefetch(loops.ids[row]);
  }

  show() {
    const { session } = this;
    const { loops, selected } = session;
    if (selected < 0) return;
    const mark = session.markOf(selected);
    this.title.textContent = loops.names[selected];
    this.title.title = loops.pathOf(selected);
    this.title.classList.toggle("ls-is-flagged", session.isFlagged(selected));
    this.details.textContent = this.error ?? this.#details(selected);
    const pending = session.isPending(loops.ids[selected]);
    for (const button of this.marks) {
      button.setAttribute("aria-pressed", String(button.dataset.mark === mark));
      button.title = `${button.ariaLabel}${pending ? ": not saved yet" : ""}`;
      button.classList.toggle("ls-is-pending", pending);
    }
    this.waveform.draw();
  }

  /** @param {number} row */
  #details(row) {
    const { loops } = this.session;
    const beside = this.engine.id && this.engine.id !== loops.ids[row] ? loops.row(this.engine.id) : -1;
    if (beside >= 0) return `You hear for comparison: ${loops.names[beside]}`;
    const flagged = this.session.isFlagged(row) ? "flagged · " : "";
    return `${flagged}${loops.standing(row)} · ${loops.metadata(row)}`;
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
    const gain = engine.matchingGain();
    this.gain.textContent = engine.playing && gain ? format.decibels(gain) : "";
    this.show();
    this.waveform.speak();
    cancelAnimationFrame(this.frame);
    this.#tick();
  }

  /** @param {string} message */
  #failed(message) {
    this.error = message;
    this.show();
    this.actions.announce(`${this.title.textContent}: ${message}`);
  }

  #tick() {
    this.waveform.follow();
    const decibels = 20 * Math.log10(Math.max(this.engine.level(), 1e-6));
    this.level.style.transform = `scaleY(${Math.min(1, Math.max(0, 1 - decibels / METER_FLOOR_DB))})`;
    if (this.engine.playing) this.frame = requestAnimationFrame(() => this.#tick());
  }

  #toggles() {
    const { engine, session } = this;
    /** @type {(label: string, title: string, value: boolean, change: (on: boolean) => void) => HTMLElement} */
    const toggle = (label, title, value, change) => {
      const box = h("input", { type: "checkbox", checked: value, onchange: ({ target }) => change(target.checked) });
      return h("label", { class: "ls-toggle", title }, box, label);
    };
    return [
      toggle("Autoplay", "Selecting a loop plays it", session.autoplay, (on) => {
        session.autoplay = remember("autoplay", on); // the default of the next project
        session.emit("view");
      }),
      toggle("Loop", "Repeat without a gap", engine.loop, (on) => engine.setLoop(remember("loop", on))),
      toggle("Match loudness", MATCH_TITLE, engine.matchLoudness, (on) =>
        engine.setMatchLoudness(remember("matchLoudness", on)),
      ),
    ];
  }

  #volume() {
    const slider = h("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "Volume" });
    slider.addEventListener("input", () => this.engine.setVolume(remember("volume", slider.valueAsNumber ** 2)));
    slider.value = String(Math.sqrt(this.engine.volume));
    return h("span", { class: "ls-field ls-volume" }, icon("volume"), slider);
  }
}

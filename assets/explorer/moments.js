// Where the selected loop is oddest: half a second around it looped, and beside it the moments of other loops that sound
// most like it, as they usually are. Asked of Python once a selection rests: its sound comes first.

import { button, debounce, h, icon } from "./dom.js";
import * as format from "./format.js";
import { around } from "./moment-curve.js";

const REST_MS = 150;
const UNKNOWN = "Nothing is known of the moments of this loop";

/** @param {LoopMoments} moments */
const titleOf = ({ odd }) =>
  `${format.times(odd)} times as far from other loops as a typical moment. Loop half a second of it; again: the whole loop (H)`;

export class Moments {
  /**
   * @param {Session} session
   * @param {AudioEngine} engine
   * @param {{ play: (row: number, region: Span | null) => unknown, prefetch: (row: number) => void, announce: (text: string) => void, changed: () => void }} actions
   */
  constructor(session, engine, actions) {
    this.session = session;
    this.engine = engine;
    this.actions = actions;
    /** @type {Loops | null} of whom `found` is */
    this.loops = null;
    /** @type {LoopMoments | null} of the selected loop */
    this.found = null;
    this.label = h("span");
    this.here = button(icon("here"), { class: "ls-quiet ls-here", onclick: () => this.toggle() });
    this.here.append(this.label);
    this.beside = h("div", { class: "ls-moments-beside", role: "group", "aria-label": "Compare with" });
    this.element = h("div", { class: "ls-moments" }, this.here, this.beside);
    this.asking = 0; // counts questions: the newest answer is shown
    this.ask = debounce(() => this.#ask(), REST_MS);
    session.on("selection", () => this.#renew());
  }

  close() {
    this.ask.cancel();
  }

  /** Whether the model hears moments at all. */
  get heard() {
    return this.session.loops.askMoments !== null;
  }

  /** Half a second around the oddest moment, in seconds; null where it is not known. */
  get region() {
    const { session, found } = this;
    return found && session.selected >= 0 ? around(found.at, session.loops.durations[session.selected]) : null;
  }

  /** Loop the oddest moment; again: the whole loop. */
  toggle() {
    const { session, engine, region } = this;
    if (!region) return this.actions.announce(UNKNOWN);
    if (this.#sounds(session.selectedId, region)) engine.setRegion(null);
    else if (engine.id === session.selectedId) engine.setRegion(region);
    else this.actions.play(session.selected, region);
  }

  /** Hear the moment of another loop; again: that of the selected one. @param {LoopMoment} moment */
  compare({ id, at }) {
    const { loops } = this.session;
    const row = loops.row(id);
    if (row < 0) return;
    const region = around(at, loops.durations[row]);
    if (!this.#sounds(id, region)) this.actions.play(row, region);
    else this.actions.play(this.session.selected, this.region);
  }

  /** After a change of sound, of the loops or of the theme. */
  show() {
    if (this.loops !== this.session.loops) this.#renew(); // another version, to which the same loop may be odd elsewhere
    const { session, region } = this;
    this.here.setAttribute("aria-pressed", String(region !== null && this.#sounds(session.selectedId, region)));
    for (const node of this.beside.querySelectorAll("button")) {
      const { id = null } = node.dataset;
      node.setAttribute("aria-pressed", String(id === this.engine.id));
    }
  }

  #renew() {
    const { session } = this;
    this.asking += 1;
    const isSameLoop = this.loops !== session.loops; // in a new version, which answers in a moment
    this.loops = session.loops;
    this.element.hidden = !this.heard;
    const asks = this.heard && session.selected >= 0;
    if (!isSameLoop || !asks) this.#take(null);
    if (asks) this.ask();
  }

  async #ask() {
    const { asking, loops, session } = this;
    const found = await loops?.askMoments?.(session.selected).catch(() => null); // a lost connection: said elsewhere
    if (asking !== this.asking) return;
    this.#take(found ?? null);
    this.actions.changed();
  }

  /** @param {LoopMoments | null} found */
  #take(found) {
    this.found = found;
    this.here.disabled = !found;
    this.label.textContent = found ? `Listen here: ${format.seconds(found.at)}` : "Listen here: –";
    this.here.title = found ? titleOf(found) : UNKNOWN;
    const known = found?.beside.filter(({ id }) => this.session.loops.row(id) >= 0) ?? [];
    const nodes = known.map((moment, place) => this.#compared(moment, place + 1));
    this.beside.replaceChildren(...(nodes.length ? [h("span", { class: "ls-note" }, "compare"), ...nodes] : []));
  }

  /** @param {LoopMoment} moment @param {number} number */
  #compared(moment, number) {
    const { loops } = this.session;
    const name = loops.names[loops.row(moment.id)];
    const said = `Compare with ${number}: ${name} at ${format.seconds(moment.at)}`;
    return button(String(number), {
      "aria-label": said,
      "aria-pressed": "false",
      title: `${said}, where it sounds most like this; again: back to this loop`,
      "data-id": moment.id,
      onclick: () => this.compare(moment),
      onpointerenter: () => this.actions.prefetch(loops.row(moment.id)),
    });
  }

  /** Whether just this is looped now. @param {string | null} id @param {Span | null} region */
  #sounds(id, region) {
    const now = this.engine.region;
    return id !== null && this.engine.id === id && now !== null && now[0] === region?.[0] && now[1] === region?.[1];
  }
}

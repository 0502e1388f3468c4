// What marks teach: the order "Listen first" as Python makes it of them (loopscope/analysis/feedback.py). It is asked for
// after each mark and taken over at a quiet moment; what is marked, and the selected loop, stay where they stand, so that
// the list goes on below the hand that marks. A switch puts the order without marks back.

import { Adoption } from "./adoption.js";
import { button } from "./dom.js";
import * as format from "./format.js";
import { Quiet } from "./quiet.js";

/** @type {Record<Mark, string>} */
const MARKED = { keep: "kept", quarantine: "quarantined", love: "loved" };

/** Why marks moved a row, in few words; "" where they did not, or where it is marked itself. @param {Session} session @param {number} row */
export function movedOf(session, row) {
  const { loops } = session;
  const { lesson } = loops;
  if (!lesson || lesson.because[row] === -1 || session.markOf(row)) return "";
  const places = loops.untaught[row] - lesson.listen[row];
  if (!places || places > 0 !== lesson.shift[row] > 0) return ""; // others moved more
  return `${places > 0 ? "up" : "down"} ${format.count(Math.abs(places))}: sounds like ${namedBy(session, lesson.because[row])}`;
}

/** A marked loop, and how. @param {Session} session @param {number} row −2 for one that is not here */
function namedBy(session, row) {
  if (row < 0) return "one marked in the model's library";
  const mark = session.markOf(row);
  return `${session.loops.names[row]}${mark ? `, ${MARKED[mark]}` : ""}`;
}

/** @typedef {{ loops: Loops, lesson: Lesson | null }} Fetched */

export class Lessons {
  /**
   * @param {{ version: string, views: Views | null, component: Component<ExplorerData>, ready(): boolean, lesson(name: string, version: string): Promise<Lesson> }} explorer
   * @param {AbortSignal} signal ends it
   */
  constructor(explorer, signal) {
    this.explorer = explorer;
    this.afresh = true; // the list is new, or the switch was used: nothing in it stays
    this.switch = button("With marks", {
      class: "ls-quiet ls-with-marks",
      hidden: true,
      title: "Your marks move what sounds like the marked loops. Off: the order without them",
      onclick: () => this.#turn(),
    });
    const quiet = new Quiet(signal);
    const lessons = this;
    this.adoption = new Adoption(
      {
        get version() {
          return lessons.shown;
        },
        fetch: (name) => this.#fetch(name),
        take: async (fetched) => this.#take(fetched),
        ready: () => explorer.ready(),
      },
      signal,
      {
        get now() {
          return lessons.afresh || quiet.now;
        },
      },
    );
  }

  /** The views are there. @param {Views} views */
  open({ session, ranking }) {
    ranking.order.element.prepend(this.switch);
    session.on("view", () => this.#tell());
    this.offer();
  }

  /** Name of the lesson that the list stands by, "" for none. */
  get shown() {
    return this.explorer.views?.loops.lesson?.name ?? "";
  }

  /** Teach other loops of the project, that are to be shown, what these know. @param {Loops} loops @param {string} version */
  async prepare(loops, version) {
    const { views, component } = this.explorer;
    if (!views?.session.learns || !component.data.taught) return;
    const lesson = await this.explorer.lesson(component.data.taught, version).catch(() => null);
    loops.teach(lesson, () => false);
  }

  /** Other loops are shown. */
  renew() {
    this.afresh = true;
    this.offer();
  }

  /** Go by what Python last said of the marks, where that is about the loops that are shown. */
  offer() {
    const { views, component, version } = this.explorer;
    if (!views) return;
    this.#tell();
    const { learns } = views.session;
    if (learns && component.data.version !== version) return;
    const name = (learns && component.data.taught) || "";
    if (name === this.shown) this.afresh = false;
    this.adoption.want(name);
  }

  #turn() {
    const { session } = /** @type {Views} */ (this.explorer.views);
    session.learns = !session.learns;
    this.afresh = true;
    session.emit("view");
    this.offer();
  }

  #tell() {
    const { views, component } = this.explorer;
    if (!views) return;
    this.switch.hidden = !component.data.taught || views.ranking.mode !== "listen";
    this.switch.ariaPressed = String(views.session.learns);
  }

  /** @param {string} name @returns {Promise<Fetched>} */
  async #fetch(name) {
    const { loops } = /** @type {Views} */ (this.explorer.views);
    return { loops, lesson: name ? await this.explorer.lesson(name, this.explorer.version) : null };
  }

  /** @param {Fetched} fetched */
  #take({ loops, lesson }) {
    const { session, ranking } = /** @type {Views} */ (this.explorer.views);
    if (loops !== session.loops) return; // rows have other numbers now: it is asked for again
    const stays = (/** @type {number} */ row) => row === session.selected || session.markOf(row) !== null;
    loops.teach(lesson, this.afresh ? () => false : stays);
    this.afresh = false;
    ranking.reorder();
  }
}

// What the views share: threshold, selection, focus, marks. Views listen; none knows another.
//
// Events: "threshold" (while it moves), "settled" (when it rests), "audition" (play this row now), "selection", "focus",
// "marks", "notes", "view" (what the user set in one of the views: zoom, list mode, …). None tells of `adopt`: whoever calls it
// renews the views.

import { Focus } from "./focus.js";

export class Session extends EventTarget {
  /** @param {Loops} loops @param {Pick<ExplorerData, "percentile" | "selected" | "marks" | "notes" | "version">} data */
  constructor(loops, { percentile, selected, marks, notes, version }) {
    super();
    this.loops = loops;
    this.version = version; // of the loops
    this.marks = new Map(Object.entries(marks));
    this.notes = new Set(notes ?? []); // ids that have one
    /** @type {Set<string>} ids whose mark is not saved yet */
    this.pending = new Set();
    this.selected = selected ? loops.row(selected) : -1;
    this.focus = new Focus(loops, this.marks, (row) => this.badgeOf(row), this.notes);
    this.theme = /** @type {Theme} */ ({}); // read before anything is drawn
    this.autoplay = true;
    this.learns = true; // whether marks move other loops in the list
    this.percentile = this.threshold = this.cut = 0;
    this.#place(percentile);
  }

  /**
   * Go over to a new state of the loops; selection, focus, marks and percentile stay as they are.
   * @param {Loops} loops
   * @param {string} version
   * @returns {(row: number) => number} where a row of before is now, −1 where it is gone
   */
  adopt(loops, version) {
    const before = this.loops;
    const moved = (/** @type {number} */ row) => (row < 0 ? -1 : loops.row(before.ids[row]));
    this.loops = loops;
    this.version = version;
    this.selected = moved(this.selected);
    this.#place(this.percentile);
    this.focus.adopt(loops, moved);
    return moved;
  }

  /** Move the threshold; `settled` once the hand is off. @param {number} percentile */
  setPercentile(percentile, { settled = false } = {}) {
    const before = this.percentile;
    this.#place(percentile);
    if (this.percentile !== before) this.emit("threshold");
    if (!settled) return;
    if (this.focus.badges.size) this.refocus(() => {}); // other loops have them now
    this.emit("settled");
  }

  /** Select a row and, where autoplay is on, hear it. The sound is asked for before any view is told. @param {number} row */
  audition(row) {
    if (row < 0) return;
    const again = row === this.selected;
    this.selected = row;
    if (this.autoplay) this.emit("audition");
    if (!again) this.emit("selection");
  }

  /** Change the focus: `change(focus)` sets conditions. @param {(focus: Focus) => unknown} change */
  refocus(change) {
    change(this.focus);
    this.focus.update();
    this.emit("focus");
  }

  /** Set one condition of the focus, null for none. @param {Partial<Pick<Focus, "group" | "lasso">>} condition */
  narrow(condition) {
    this.refocus((focus) => Object.assign(focus, condition));
  }

  /**
   * A bar or band was clicked: hear its most anomalous loop, at the next click the next one; narrow the list to it.
   * @param {string} key names it
   * @param {string} label
   * @param {number[]} rows most anomalous first
   */
  auditionGroup(key, label, rows) {
    const inFocus = rows.filter((row) => this.focus.hasOutside(row));
    if (!inFocus.length) return;
    const before = this.focus.group;
    const index = before?.key === key ? (before.index + 1) % inFocus.length : 0;
    const group = { key, label, rows: inFocus, index };
    this.audition(inFocus[index]);
    requestAnimationFrame(() => this.narrow({ group }));
    this.focus.group = group; // a second click before the next frame counts too
  }

  /** Select without a sound (from Python, or from the list while autoplay is off). @param {number} row */
  select(row) {
    if (row === this.selected) return;
    this.selected = row;
    this.emit("selection");
  }

  get selectedId() {
    return this.selected < 0 ? null : this.loops.ids[this.selected];
  }

  get flagged() {
    return this.loops.n - this.cut;
  }

  /** @param {number} row */
  isFlagged(row) {
    return row >= this.cut;
  }

  /** What a loop is held for, at the threshold of now. @param {number} row @returns {Judged} */
  badgeOf(row) {
    if (this.loops.isFaulty(row)) return "faulty";
    if (!this.loops.hasScore(row)) return "unscored";
    return this.isFlagged(row) ? "interesting" : "normal";
  }

  /** How many loops have each badge, of those that the other filters leave; and how many that are flagged are in focus. */
  counts() {
    const { loops, focus } = this;
    const counts = { faulty: 0, interesting: 0, normal: 0, unscored: 0, flagged: 0 };
    for (let row = 0; row < loops.n; row += 1) if (focus.inAnyBadge(row)) counts[this.badgeOf(row)] += 1;
    for (let row = this.cut; row < loops.n; row += 1) if (focus.has(row)) counts.flagged += 1;
    return counts;
  }

  /** @param {number} row */
  markOf(row) {
    return this.marks.get(this.loops.ids[row]) ?? null;
  }

  /** Whether the mark of a loop, or its removal, is not saved yet. @param {string} id */
  isPending(id) {
    return this.pending.has(id);
  }

  /** @param {number} row @param {Mark | null} mark */
  setMark(row, mark) {
    const id = this.loops.ids[row];
    if (mark) this.marks.set(id, mark);
    else this.marks.delete(id);
    this.emit("marks");
  }

  /** @param {Record<string, Mark>} marks by loop_id */
  replaceMarks(marks) {
    this.marks.clear();
    for (const [id, mark] of Object.entries(marks)) this.marks.set(id, mark);
    this.emit("marks");
  }

  /** @param {Iterable<string>} ids of the loops that have a note */
  replaceNotes(ids) {
    this.notes.clear();
    for (const id of ids) this.notes.add(id);
    this.emit("notes");
  }

  /** @param {string} name */
  emit(name) {
    this.dispatchEvent(new Event(name));
  }

  /** @param {string} names separated by spaces @param {() => unknown} task */
  on(names, task) {
    for (const name of names.split(" ")) this.addEventListener(name, task);
  }

  /** @param {number} percentile */
  #place(percentile) {
    this.percentile = Math.round(100 * Math.min(Math.max(percentile, 0), 100)) / 100;
    this.threshold = this.loops.thresholdAt(this.percentile);
    this.cut = this.loops.cutAt(this.threshold);
  }
}

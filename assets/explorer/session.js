// What the views share: threshold, selection, focus, marks. Views listen; none knows another.
//
// Events: "threshold" (while it moves), "settled" (when it rests), "audition" (play this row now), "selection", "focus",
// "marks", "theme", "latents".

import { Focus } from "./focus.js";

export class Session extends EventTarget {
  constructor(loops, { percentile, selected, marks }) {
    super();
    this.loops = loops;
    this.marks = new Map(Object.entries(marks));
    this.selected = selected ? loops.row(selected) : -1;
    this.focus = new Focus(loops, this.marks);
    this.theme = null;
    this.autoplay = true;
    this.#place(percentile);
  }

  /** Move the threshold; `settled` once the hand is off. */
  setPercentile(percentile, { settled = false } = {}) {
    const before = this.percentile;
    this.#place(percentile);
    if (this.percentile !== before) this.emit("threshold");
    if (settled) this.emit("settled");
  }

  /** Select a row and, where autoplay is on, hear it. The sound is asked for before any view is told. */
  audition(row) {
    if (row < 0) return;
    const again = row === this.selected;
    this.selected = row;
    if (this.autoplay) this.emit("audition");
    if (!again) this.emit("selection");
  }

  /** Change the focus: `change(focus)` sets conditions. */
  refocus(change) {
    change(this.focus);
    this.focus.update();
    this.emit("focus");
  }

  /** A bar or band was clicked: hear its most anomalous loop, at the next click the next one; narrow the list to it. */
  auditionGroup(key, label, rows) {
    const inFocus = rows.filter((row) => this.focus.hasOutside(row));
    if (!inFocus.length) return;
    const again = this.focus.group?.key === key;
    const index = again ? (this.focus.group.index + 1) % inFocus.length : 0;
    const group = { key, label, rows: inFocus, index };
    this.audition(inFocus[index]);
    requestAnimationFrame(() => this.refocus((focus) => (focus.group = group)));
    this.focus.group = group; // a second click before the next frame counts too
  }

  /** Select without a sound (from Python, or from the list while autoplay is off). */
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

  isFlagged(row) {
    return row >= this.cut;
  }

  markOf(row) {
    return this.marks.get(this.loops.ids[row]) ?? null;
  }

  setMark(row, mark) {
    const id = this.loops.ids[row];
    if (mark) this.marks.set(id, mark);
    else this.marks.delete(id);
    this.emit("marks");
  }

  replaceMarks(marks) {
    this.marks.clear();
    for (const [id, mark] of Object.entries(marks)) this.marks.set(id, mark);
    this.emit("marks");
  }

  emit(name) {
    this.dispatchEvent(new Event(name));
  }

  on(names, task) {
    for (const name of names.split(" ")) this.addEventListener(name, task);
  }

  #place(percentile) {
    this.percentile = Math.round(100 * Math.min(Math.max(percentile, 0), 100)) / 100;
    this.threshold = this.loops.thresholdAt(this.percentile);
    this.cut = this.loops.cutAt(this.threshold);
  }
}

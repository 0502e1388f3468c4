// What stays where it is on the screen while the rows of the list change: the row under a resting pointer; else the
// selected one where it is to be seen; else the first that is. A list at its very top stays there.

import { h } from "./dom.js";

const ROW_PX = 44; // until the row is measured

export class ListAnchor {
  /** @param {Ranking} list */
  constructor(list) {
    this.list = list;
    this.row = ROW_PX; // height of a row: it grows with the text, in whole pixels, as lists scroll by these
    const measure = h("div", { class: "ls-row-height", "aria-hidden": "true" });
    list.scroller.append(measure);
    this.measuring = new ResizeObserver(([{ contentRect }]) => this.#grown(contentRect.height));
    this.measuring.observe(measure);
    this.above = this.below = 0; // blank pixels around the rows: without them none of the first could stay further down
    this.pointer = -1; // clientY of the pointer over the list, −1 without one
    list.scroller.addEventListener("pointermove", ({ clientY }) => {
      this.pointer = clientY;
    });
    list.scroller.addEventListener("pointerleave", () => this.#left());
  }

  close() {
    this.measuring.disconnect();
  }

  /** The text of the page has another size: the loop on top stays there. @param {number} height in pixels, 0 off the page */
  #grown(height) {
    const row = Math.round(height);
    if (!row || row === this.row) return;
    const top = (this.list.top - this.above) / this.row;
    this.row = row;
    this.list.scroller.style.setProperty("--ls-row", `${row}px`);
    this.drop();
    this.list.scrollTo(top * row);
    this.list.render();
  }

  /** The place in the list that is to stay, and where that is on the screen; null: the list stays at its top. */
  take() {
    const { rows, place, scroller } = this.list;
    const { above, row: height } = this;
    const { scrollTop, clientHeight } = scroller;
    const screen = scroller.getBoundingClientRect().top;
    const yOf = (/** @type {number} */ place) => above + place * height - scrollTop;
    const at = (/** @type {number} */ place) => ({ place, y: screen + yOf(place) });
    const under = Math.floor((this.pointer - screen + scrollTop - above) / height);
    if (this.pointer >= 0 && rows[under] !== undefined) return at(under);
    if (scrollTop === 0) return null;
    if (place >= 0 && yOf(place) > -height && yOf(place) < clientHeight) return at(place);
    return at(Math.max(0, Math.ceil((scrollTop - above) / height)));
  }

  /** Scroll so that a place of the list is at y on the screen. @param {number} place −1: to the top @param {number} y */
  hold(place, y) {
    const { rows, scroller } = this.list;
    const top = place < 0 ? 0 : place * this.row + scroller.getBoundingClientRect().top - y;
    const resting = this.pointer >= 0;
    this.#pad(
      resting ? Math.max(0, -top) : 0,
      resting ? Math.max(0, top + scroller.clientHeight - rows.length * this.row) : 0,
    );
    this.list.scrollTo(top + this.above);
  }

  /** No blank room, with nothing held. */
  drop() {
    this.#pad(0, 0);
  }

  #left() {
    this.pointer = -1;
    if (!this.above && !this.below) return;
    const top = this.list.scroller.scrollTop - this.above;
    this.#pad(0, 0);
    this.list.scrollTo(top);
    this.list.render();
  }

  /** @param {number} above @param {number} below */
  #pad(above, below) {
    Object.assign(this, { above, below });
    this.list.stretch();
  }
}

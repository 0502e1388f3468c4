// The list of loops in focus; of them only the visible rows exist as DOM. One list box: the keys that move through it
// work everywhere in the explorer, so the list only has to say which option is active.

import { h, perFrame } from "./dom.js";
import * as format from "./format.js";
import { KeyHint } from "./key-hint.js";
import { ListAnchor } from "./list-anchor.js";
import { ListRow } from "./list-row.js";
import { ListSummary } from "./list-summary.js";
import { OrderControl } from "./order-control.js";
import { modeOfToday, orderOf, rowsBy } from "./orders.js";

const SPARE = 6; // rows beyond the edges, so that fast scrolling shows no gaps

let lists = 0;

export class Ranking {
  /** @param {Session} session @param {{ onHover: Picked }} hears */
  constructor(session, { onHover }) {
    this.session = session;
    this.onHover = onHover;
    this.mode = this.asked = "listen"; // which order holds (orders.js)
    /** @type {number[]} the selected row and those nearest to it, in mode "similar" */
    this.alike = [];
    /** @type {Int32Array | number[]} in list order */
    this.rows = [];
    this.top = 0; // scrolled to
    /** @type {Map<number, ListRow>} by row; a click is one only where finger down and finger up meet the same node */
    this.options = new Map();
    lists += 1;
    this.prefix = `ls-list-${lists}`;
    this.spacer = h("div", { class: "ls-spacer", role: "presentation" });
    this.scroller = h("div", { class: "ls-scroller", role: "listbox", tabindex: "0" }, this.spacer);
    this.provisional = h("p", { class: "ls-note ls-provisional", hidden: true });
    this.order = new OrderControl((mode) => this.setMode(mode));
    this.counts = new ListSummary(this);
    this.summary = this.counts.element;
    this.hint = new KeyHint();
    this.anchor = new ListAnchor(this);
    this.element = h(
      "section",
      { class: "ls-ranking", "aria-label": "Loops" },
      h("header", {}, h("h3", {}, "Loops"), this.order.element),
      this.provisional,
      this.counts.chips.element,
      this.summary,
      this.hint.element,
      this.scroller,
    );
    this.render = perFrame(() => this.#render());
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.spacer.addEventListener("click", (event) => this.#pick(event));
    this.spacer.addEventListener("pointerover", (event) => this.#rowOf(event) >= 0 && this.onHover(this.#rowOf(event)));
    this.#listen();
    this.resizing = new ResizeObserver(this.render);
    this.resizing.observe(this.scroller);
    this.order.show(this.mode);
    this.refill();
  }

  #listen() {
    const { session } = this;
    session.on(
      "threshold",
      perFrame(() => this.#judge()),
    );
    session.on("marks notes", () => this.render());
    session.on("focus", () => this.#narrowed());
    session.on("settled", () => this.mode === "border" && this.refill());
    session.on("selection", () =>
      this.mode === "similar" && !this.alike.length ? this.setMode("similar") : this.follow(),
    );
  }

  close() {
    this.resizing.disconnect();
    this.anchor.close();
  }

  /** A detached element forgets where it was scrolled to. */
  returned() {
    this.scroller.scrollTop = this.top;
    this.render();
  }

  /** Put the list in another order (orders.js). @param {string} mode @returns {Promise<void>} */
  async setMode(mode) {
    const { selected, loops } = this.session;
    this.asked = mode;
    const alike = mode === "similar" && selected >= 0 ? [selected, ...(await loops.neighbours(selected))] : [];
    if (this.asked !== mode) return; // another order was chosen while Python thought
    if (loops !== this.session.loops) return this.setMode(mode); // rows have other numbers now
    this.mode = mode;
    this.alike = alike;
    this.order.show(mode);
    this.anchor.drop();
    this.refill();
    this.scrollTo(0);
    this.session.emit("view");
  }

  /** Take up the mode and the loop on top of before. @param {string} mode @param {string | null} top */
  async restore(mode, top) {
    const before = modeOfToday(mode);
    if (before && before !== this.mode) await this.setMode(before);
    if (top) this.scrollToLoop(top);
  }

  /**
   * Go over to the session's loops of now; a row stays where it is on the screen (list-anchor.js).
   * @param {(row: number) => number} moved where rows of before are now
   * @param {ReturnType<ListAnchor["take"]>} anchor what stays, taken before the session went over
   * @param {() => void} change what else changes on the page at the same time
   */
  adopt(moved, anchor, change) {
    const options = [...this.options].map(([row, option]) => /** @type {const} */ ([moved(row), option]));
    for (const [row, option] of options) if (row < 0) option.element.remove();
    this.options = new Map(options.filter(([row]) => row >= 0));
    this.alike = this.alike.map(moved).filter((row) => row >= 0);
    const before = Array.from(this.rows, moved);
    this.#take();
    change();
    this.anchor.hold(anchor ? this.#placeOf(before, anchor.place) : -1, anchor?.y ?? 0);
    this.#render();
    const [like, ...others] = this.alike;
    const learnt = !others.length && like === this.session.selected && this.session.loops.hasScore(like);
    if (this.mode === "similar" && learnt) this.setMode("similar"); // nothing was near to it before it had a score
  }

  /** What is said of a ranking that is not the trained model's. @param {boolean} provisional */
  tell(provisional) {
    const { scored, n } = this.session.loops;
    const share = `${format.count(scored)} of ${format.count(n)} scored`;
    this.provisional.hidden = !provisional;
    this.provisional.textContent = `provisional: nearest-neighbour distance · ${share}`;
  }

  /** Id of the loop on top of the visible part; null at the very top. */
  get topId() {
    const row = this.top > 0 ? this.rows[Math.round((this.top - this.anchor.above) / this.anchor.row)] : undefined;
    return row === undefined ? null : this.session.loops.ids[row];
  }

  /** Scroll so that a loop is on top. @param {string} id */
  scrollToLoop(id) {
    this.scrollTo(this.anchor.row * Math.max(0, this.rows.indexOf(this.session.loops.row(id))));
  }

  /** @param {number} top in pixels */
  scrollTo(top) {
    this.scroller.scrollTop = top;
    this.top = this.scroller.scrollTop;
  }

  /** The order of listening is another one, on the same loops. */
  reorder() {
    if (this.mode !== "listen") return;
    const [anchor, before] = [this.anchor.take(), this.rows];
    this.#take();
    this.anchor.hold(anchor ? this.#placeOf(Array.from(before), anchor.place) : -1, anchor?.y ?? 0);
    this.#render();
  }

  /** Take the rows anew. */
  refill() {
    this.#take();
    this.render();
  }

  #take() {
    const { session, mode } = this;
    const { loops, focus } = session;
    const inFocus = (/** @type {number} */ row) => focus.has(row);
    if (mode === "border") this.rows = loops.atTheBorder(session.threshold, inFocus);
    else if (mode === "similar") this.rows = this.alike.filter((row) => inFocus(row) || row === this.alike[0]);
    else this.rows = focus.active ? rowsBy(mode, loops).filter(inFocus) : rowsBy(mode, loops);
    this.scroller.style.setProperty("--ls-rank", `${format.count(loops.n).length}ch`);
    this.scroller.setAttribute("aria-label", `Loops, ${orderOf(mode)?.order.label ?? ""}`);
    this.stretch();
    this.counts.show();
  }

  /** Whether rank and score are of use: where the list stands by them. */
  get ranked() {
    return /score|border/.test(this.mode);
  }

  /** Filters changed: the list begins anew at its top, or where the loop of the bar or band is that was picked. */
  #narrowed() {
    const before = this.rows;
    this.#take();
    const same = before.length === this.rows.length && before.every((row, place) => row === this.rows[place]);
    if (!same) {
      this.anchor.drop();
      this.scrollTo(0);
    }
    if (this.session.focus.group) this.follow();
    this.render();
  }

  /** As high as all of the rows. */
  stretch() {
    this.spacer.style.height = `${this.anchor.above + this.rows.length * this.anchor.row + this.anchor.below}px`;
  }

  /** Where the first of `rows` from a place on stands in the list now, −1 for none. @param {number[]} rows @param {number} place */
  #placeOf(rows, place) {
    const places = new Map(Array.from(this.rows, (row, at) => [row, at]));
    return places.get(rows.slice(place).find((row) => places.has(row)) ?? -1) ?? -1;
  }

  /** Place of the selected row in the list, −1 where it is not in it. */
  get place() {
    return this.rows.indexOf(this.session.selected);
  }

  /** The row `steps` further down the list from the selected one; −1 beyond its ends. @param {number} steps */
  next(steps) {
    const { place } = this;
    const target = place < 0 ? 0 : place + steps;
    return target < 0 || target >= this.rows.length ? -1 : this.rows[target];
  }

  /** The row a screenful further up or down, or the last before the end. @param {number} pages */
  page(pages) {
    const rows = Math.max(1, Math.floor(this.scroller.clientHeight / this.anchor.row) - 1);
    return this.at(Math.max(0, this.place) + pages * rows);
  }

  /** The row at a place, or at the end that lies nearest; −1 in an empty list. @param {number} place */
  at(place) {
    return this.rows[Math.min(Math.max(place, 0), this.rows.length - 1)] ?? -1;
  }

  #scrolled() {
    if (this.scroller.isConnected) this.top = this.scroller.scrollTop;
    this.render();
    this.session.emit("view");
  }

  /** Scroll to the selected row, where it is out of sight. */
  follow() {
    const { place, anchor } = this;
    if (place >= 0) {
      const [top, height] = [this.scroller.scrollTop, this.scroller.clientHeight];
      const y = anchor.above + place * anchor.row;
      if (y < top || y + anchor.row > top + height) this.scroller.scrollTop = y - height / 2 + anchor.row / 2;
    }
    this.render();
  }

  #render() {
    const { scrollTop, clientHeight } = this.scroller;
    const { above, row: height } = this.anchor;
    const top = scrollTop - above;
    const first = Math.max(0, Math.floor(top / height) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((top + clientHeight) / height) + SPARE);
    const before = this.options;
    this.options = new Map();
    for (let place = first; place < last; place += 1) {
      const row = this.rows[place];
      this.options.set(row, this.#drawn(before.get(row) ?? new ListRow(), place));
      before.delete(row);
    }
    for (const { element } of before.values()) element.remove();
    this.#arrange();
    const active = this.options.get(this.session.selected)?.element.id;
    if (active) this.scroller.setAttribute("aria-activedescendant", active);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  /** Options in the order of the list, moved only where they are not. */
  #arrange() {
    let next = null;
    for (const { element } of [...this.options.values()].reverse()) {
      if (element.parentElement !== this.spacer || element.nextSibling !== next)
        this.spacer.insertBefore(element, next);
      next = element;
    }
  }

  /** The option with what there is to say of its row now. @param {ListRow} option @param {number} place in the list */
  #drawn(option, place) {
    const { element } = option;
    option.fill(this.session, this.rows[place], this.ranked, this.mode === "listen");
    element.id = `${this.prefix}-${place}`;
    element.style.top = `${this.anchor.above + place * this.anchor.row}px`;
    element.ariaPosInSet = String(place + 1);
    element.ariaSetSize = String(this.rows.length);
    return option;
  }

  /** While the threshold moves: badges, reasons and counts; no row changes its place. */
  #judge() {
    for (const option of this.options.values()) option.judge(this.session);
    this.counts.show();
  }

  /** @param {Event} event */
  #rowOf({ target }) {
    return Number(target instanceof HTMLElement ? (target.dataset.row ?? -1) : -1);
  }

  /** @param {Event} event */
  #pick(event) {
    const row = this.#rowOf(event);
    if (row < 0) return;
    this.scroller.focus({ preventScroll: true });
    this.session.audition(row);
  }
}

// The list of loops in focus, those without a score last; of them only the visible rows exist as DOM. One list box: the keys that move through it
// work everywhere in the explorer, so the list only has to say which option is active.

import { button, h, icon, perFrame } from "./dom.js";
import * as format from "./format.js";
import { ListAnchor, ROW } from "./list-anchor.js";
import { NOT_SCORED } from "./loops.js";

const SPARE = 6; // rows beyond the edges, so that fast scrolling shows no gaps
const MODES = [
  ["ranking", "Ranking", "Most anomalous first"],
  ["border", "Border", "Nearest to the threshold first"],
  ["similar", "Similar", "Nearest to the selected loop first"],
];

let lists = 0;

export class Ranking {
  /** @param {Session} session @param {{ onHover: Picked }} hears */
  constructor(session, { onHover }) {
    this.session = session;
    this.onHover = onHover;
    this.mode = this.asked = "ranking";
    /** @type {number[]} the selected row and those nearest to it, in mode "similar" */
    this.alike = [];
    /** @type {Int32Array | number[]} in list order */
    this.rows = [];
    this.top = 0; // scrolled to
    /** @type {Map<number, HTMLElement>} by row; a click is one only where finger down and finger up meet the same node */
    this.options = new Map();
    lists += 1;
    this.prefix = `ls-list-${lists}`;
    this.spacer = h("div", { class: "ls-spacer", role: "presentation" });
    this.scroller = h(
      "div",
      { class: "ls-scroller", role: "listbox", tabindex: "0", "aria-label": "Loops by anomaly score" },
      this.spacer,
    );
    this.summary = h("p", { class: "ls-summary" });
    this.provisional = h("p", { class: "ls-note ls-provisional", hidden: true });
    this.tabs = MODES.map(([mode, label, title]) =>
      button(label, { title, "aria-pressed": String(mode === this.mode), onclick: () => this.setMode(mode) }),
    );
    this.element = h(
      "section",
      { class: "ls-ranking", "aria-label": "Loops" },
      h("header", {}, h("h3", {}, "Loops"), h("div", { class: "ls-tools" }, this.tabs)),
      this.provisional,
      this.summary,
      this.scroller,
    );
    this.render = perFrame(() => this.#render());
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.spacer.addEventListener("click", (event) => this.#pick(event));
    this.spacer.addEventListener("pointerover", (event) => this.#rowOf(event) >= 0 && this.onHover(this.#rowOf(event)));
    this.anchor = new ListAnchor(this);
    const reflag = perFrame(() => this.#reflag());
    session.on("threshold", reflag);
    session.on("marks", () => this.render());
    session.on("focus", () => this.refill());
    session.on("settled", () => this.mode === "border" && this.refill());
    session.on("focus selection", () => this.#follow());
    this.resizing = new ResizeObserver(this.render);
    this.resizing.observe(this.scroller);
    this.refill();
  }

  close() {
    this.resizing.disconnect();
  }

  /** A detached element forgets where it was scrolled to. */
  returned() {
    this.scroller.scrollTop = this.top;
    this.render();
  }

  /** @param {string} mode @returns {Promise<void>} */
  async setMode(mode) {
    const { selected, loops } = this.session;
    this.asked = mode;
    const alike = mode === "similar" && selected >= 0 ? [selected, ...(await loops.neighbours(selected))] : [];
    if (this.asked !== mode) return; // another tab was chosen while Python thought
    if (loops !== this.session.loops) return this.setMode(mode); // rows have other numbers now
    this.mode = mode;
    this.alike = alike;
    for (const [i, tab] of this.tabs.entries()) tab.setAttribute("aria-pressed", String(MODES[i][0] === mode));
    this.anchor.drop();
    this.refill();
    this.scroller.scrollTop = 0;
    this.session.emit("view");
  }

  /** Take up the mode and the loop on top of before. @param {string} mode @param {string | null} top */
  async restore(mode, top) {
    if (MODES.some(([known]) => known === mode && mode !== this.mode)) await this.setMode(mode);
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
    for (const [row, option] of options) if (row < 0) option.remove();
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
    const row = this.top > 0 ? this.rows[Math.round((this.top - this.anchor.above) / ROW)] : undefined;
    return row === undefined ? null : this.session.loops.ids[row];
  }

  /** Scroll so that a loop is on top. @param {string} id */
  scrollToLoop(id) {
    this.scrollTo(ROW * Math.max(0, this.rows.indexOf(this.session.loops.row(id))));
  }

  /** @param {number} top in pixels */
  scrollTo(top) {
    this.scroller.scrollTop = top;
    this.top = this.scroller.scrollTop;
  }

  /** Take the rows anew. */
  refill() {
    this.#take();
    this.render();
  }

  #take() {
    const { session } = this;
    const { loops, focus } = session;
    if (this.mode === "border") this.rows = loops.atTheBorder(session.threshold, (row) => focus.has(row));
    else if (this.mode === "similar") this.rows = this.alike.filter((row) => focus.has(row) || row === this.alike[0]);
    else this.rows = this.#mostAnomalousFirst();
    this.scroller.style.setProperty("--ls-rank", `${format.count(loops.n).length + 1}ch`);
    this.scroller.setAttribute("aria-label", loops.scored ? "Loops by anomaly score" : "Loops by name");
    this.stretch();
    this.#summarise();
  }

  /** As high as all of the rows. */
  stretch() {
    this.spacer.style.height = `${this.anchor.above + this.rows.length * ROW + this.anchor.below}px`;
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

  #mostAnomalousFirst() {
    const { loops, focus } = this.session;
    const rows = new Int32Array(focus.count);
    for (let row = loops.n - 1, i = 0; row >= 0; row -= 1) if (focus.has(row)) rows[i++] = row;
    return rows;
  }

  /** The row `steps` further down the list from the selected one; −1 beyond its ends. @param {number} steps */
  next(steps) {
    const { place } = this;
    const target = place < 0 ? 0 : place + steps;
    return target < 0 || target >= this.rows.length ? -1 : this.rows[target];
  }

  #scrolled() {
    if (this.scroller.isConnected) this.top = this.scroller.scrollTop;
    this.render();
    this.session.emit("view");
  }

  #follow() {
    const { place } = this;
    if (place >= 0) {
      const [top, height] = [this.scroller.scrollTop, this.scroller.clientHeight];
      const y = this.anchor.above + place * ROW;
      if (y < top || y + ROW > top + height) this.scroller.scrollTop = y - height / 2 + ROW / 2;
    }
    this.render();
  }

  #summarise() {
    const { group, active } = this.session.focus;
    const shown = format.loops(this.rows.length);
    let said = active ? `${shown} in focus` : shown;
    if (group) said = `${group.label}: ${shown}, playing ${group.index + 1} of ${group.rows.length}`;
    else if (!this.rows.length) said = "No loop matches. Clear a filter to see more.";
    this.summary.textContent = said;
  }

  #render() {
    const { scrollTop, clientHeight } = this.scroller;
    const top = scrollTop - this.anchor.above;
    const first = Math.max(0, Math.floor(top / ROW) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((top + clientHeight) / ROW) + SPARE);
    const before = this.options;
    this.options = new Map();
    for (let place = first; place < last; place += 1) {
      const row = this.rows[place];
      this.options.set(row, this.#drawn(before.get(row) ?? h("div", { role: "option" }), place));
      before.delete(row);
    }
    for (const option of before.values()) option.remove();
    let next = null;
    for (const option of [...this.options.values()].reverse()) {
      if (option.parentElement !== this.spacer || option.nextSibling !== next) this.spacer.insertBefore(option, next);
      next = option;
    }
    const active = this.place;
    if (active >= first && active < last)
      this.scroller.setAttribute("aria-activedescendant", `${this.prefix}-${active}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  /** The option with what there is to say of its row now. @param {HTMLElement} option @param {number} place in the list */
  #drawn(option, place) {
    const { session } = this;
    const { loops } = session;
    const row = this.rows[place];
    const [mark, flagged, scored] = [session.markOf(row), session.isFlagged(row), loops.hasScore(row)];
    option.dataset.row = String(row);
    option.id = `${this.prefix}-${place}`;
    option.className = `ls-option${flagged ? " ls-is-flagged" : ""}${scored ? "" : " ls-is-unscored"}`;
    const pending = session.isPending(loops.ids[row]);
    option.title = pending ? `Mark not saved yet · ${loops.pathOf(row)}` : loops.pathOf(row);
    option.style.top = `${this.anchor.above + place * ROW}px`;
    option.ariaSelected = String(row === session.selected);
    option.ariaPosInSet = String(place + 1);
    option.ariaSetSize = String(this.rows.length);
    option.replaceChildren(
      h("span", { class: "ls-rank" }, scored ? format.count(loops.rank(row)) : ""),
      h("span", { class: "ls-name" }, loops.names[row]),
      h("span", { class: "ls-metadata" }, loops.metadata(row)),
      h("span", { class: `ls-mark ls-mark-${mark}${pending ? " ls-is-pending" : ""}` }, mark ? icon(mark) : ""),
      h("span", { class: "ls-score" }, scored ? format.score(loops.scores[row]) : NOT_SCORED),
      h("span", { class: "ls-spoken" }, this.#unseen(row)),
    );
    return option;
  }

  /** What sighted users read from colour and icon. @param {number} row */
  #unseen(row) {
    const { session } = this;
    const pending = session.isPending(session.loops.ids[row]) && "mark not saved yet";
    return [session.isFlagged(row) && "flagged", session.markOf(row), pending].filter(Boolean).join(", ");
  }

  /** While the threshold moves: the rows that change sides, and nothing built anew. */
  #reflag() {
    for (const option of /** @type {Iterable<HTMLElement>} */ (this.spacer.children)) {
      const row = Number(option.dataset.row);
      if (option.classList.contains("ls-is-flagged") === this.session.isFlagged(row)) continue;
      option.classList.toggle("ls-is-flagged");
      if (option.lastElementChild) option.lastElementChild.textContent = this.#unseen(row);
    }
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

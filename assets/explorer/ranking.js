// The list of loops in focus, of which only the visible rows exist as DOM. One list box: the keys that move through it
// work everywhere in the explorer, so the list only has to say which option is active.

import { button, h, icon, perFrame } from "./dom.js";
import * as format from "./format.js";

const ROW = 42; // CSS pixels
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
    this.tabs = MODES.map(([mode, label, title]) =>
      button(label, { title, "aria-pressed": String(mode === this.mode), onclick: () => this.setMode(mode) }),
    );
    this.element = h(
      "section",
      { class: "ls-ranking", "aria-label": "Loops" },
      h("header", {}, h("h3", {}, "Loops"), h("div", { class: "ls-tools" }, this.tabs)),
      this.summary,
      this.scroller,
    );
    this.render = perFrame(() => this.#render());
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.spacer.addEventListener("click", (event) => this.#pick(event));
    this.spacer.addEventListener("pointerover", (event) => this.#rowOf(event) >= 0 && this.onHover(this.#rowOf(event)));
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

  /** @param {string} mode */
  async setMode(mode) {
    const { selected, loops } = this.session;
    this.asked = mode;
    const alike = mode === "similar" && selected >= 0 ? [selected, ...(await loops.neighbours(selected))] : [];
    if (this.asked !== mode) return; // another tab was chosen while Python thought
    this.mode = mode;
    this.alike = alike;
    for (const [i, tab] of this.tabs.entries()) tab.setAttribute("aria-pressed", String(MODES[i][0] === mode));
    this.refill();
    this.scroller.scrollTop = 0;
  }

  /** Take the rows anew. */
  refill() {
    const { session } = this;
    const { loops, focus } = session;
    if (this.mode === "border") this.rows = loops.atTheBorder(session.threshold, (row) => focus.has(row));
    else if (this.mode === "similar") this.rows = this.alike.filter((row) => focus.has(row) || row === this.alike[0]);
    else this.rows = this.#mostAnomalousFirst();
    this.scroller.style.setProperty("--ls-rank", `${format.count(loops.n).length + 1}ch`);
    this.spacer.style.height = `${this.rows.length * ROW}px`;
    this.#summarise();
    this.render();
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
  }

  #follow() {
    const { place } = this;
    if (place >= 0) {
      const [top, height] = [this.scroller.scrollTop, this.scroller.clientHeight];
      if (place * ROW < top || (place + 1) * ROW > top + height)
        this.scroller.scrollTop = place * ROW - height / 2 + ROW / 2;
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
    const first = Math.max(0, Math.floor(scrollTop / ROW) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((scrollTop + clientHeight) / ROW) + SPARE);
    const before = this.options;
    this.options = new Map();
    for (let place = first; place < last; place += 1) {
      const row = this.rows[place];
      this.options.set(row, this.#drawn(before.get(row) ?? h("div", { role: "option", "data-row": row }), place));
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
    const [mark, flagged] = [session.markOf(row), session.isFlagged(row)];
    option.id = `${this.prefix}-${place}`;
    option.className = `ls-option${flagged ? " ls-is-flagged" : ""}`;
    option.title = loops.pathOf(row);
    option.style.top = `${place * ROW}px`;
    option.ariaSelected = String(row === session.selected);
    option.ariaPosInSet = String(place + 1);
    option.ariaSetSize = String(this.rows.length);
    option.replaceChildren(
      h("span", { class: "ls-rank" }, format.count(loops.rank(row))),
      h("span", { class: "ls-name" }, loops.names[row]),
      h("span", { class: "ls-metadata" }, loops.metadata(row)),
      h("span", { class: `ls-mark ls-mark-${mark}` }, mark ? icon(mark) : ""),
      h("span", { class: "ls-score" }, format.score(loops.scores[row])),
      h("span", { class: "ls-spoken" }, this.#unseen(row)),
    );
    return option;
  }

  /** What sighted users read from colour and icon. @param {number} row */
  #unseen(row) {
    return [this.session.isFlagged(row) && "flagged", this.session.markOf(row)].filter(Boolean).join(", ");
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

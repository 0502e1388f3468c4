// Search words and filters; and, as removable chips, what holds now. The chips stand above the list, where they move no
// figure: the second click on a bar must meet the same bar.

import { button, debounce, h, icon } from "./dom.js";
import * as format from "./format.js";

/** @type {[string, string, string][]} column, what it is called, and all of it */
const CATEGORIES = [
  ["folder", "Folder", "All folders"],
  ["instrument", "Instrument", "Any instrument"],
  ["genre", "Genre", "Any genre"],
  ["category", "Category", "All categories"],
  ["key", "Key", "Any key"],
  ["fault", "Fault", "Any fault"],
  ["new", "New", "New or known"],
];
const MARKS = [
  ["", "Any mark"],
  ["none", "Unmarked"],
  ["keep", "Keep"],
  ["quarantine", "Quarantine"],
  ["love", "Love"],
];
const MOST_LEVELS = 500;

export class Filters {
  /** @param {Session} session @param {{ onClearLasso: () => void }} hears */
  constructor(session, { onClearLasso }) {
    this.session = session;
    this.onClearLasso = onClearLasso;
    const label = "Search names";
    this.search = h("input", { type: "search", class: "ls-search", placeholder: label, "aria-label": label });
    const search = debounce(() => session.refocus((focus) => focus.search(this.search.value)), 120);
    this.search.addEventListener("input", search);
    /** @type {(() => void)[]} what brings the controls in line with other loops */
    this.offers = [];
    this.marks = h(
      "select",
      { "aria-label": "Mark", onchange: ({ target }) => session.narrow({ mark: target.value }) },
      MARKS.map(([value, text]) => h("option", { value }, text)),
    );
    this.chips = h("div", { class: "ls-chips", hidden: true });
    this.element = h(
      "div",
      { class: "ls-filters", role: "search", "aria-label": "Filter loops" },
      this.search,
      CATEGORIES.map((category) => this.#select(...category)),
      this.#range("bpm", "Tempo in BPM", "BPM", { min: 0, max: 400, step: 1 }),
      this.#range("loop_structure", "Loop structure", "loop structure", { min: -1, max: 1, step: 0.05 }),
      this.marks,
    );
    this.adopt();
    session.on("focus", () => this.#showChips());
  }

  /** Offer what the session's loops of now can be filtered by; what is chosen stays chosen. */
  adopt() {
    for (const offer of this.offers) offer();
    this.#showChips();
  }

  /** Take up what was searched and filtered before. @param {string} text @param {(focus: Focus) => void} change */
  restore(text, change) {
    this.search.value = text;
    this.session.refocus((focus) => {
      focus.search(text);
      change(focus);
    });
    this.marks.value = this.session.focus.mark;
    this.adopt();
  }

  clear() {
    /** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */
    const controls = this.element.querySelectorAll("input, select");
    for (const control of controls) control.value = "";
    this.onClearLasso();
    this.session.refocus((focus) => focus.clear());
  }

  /**
   * Choice of a level; hidden where there are too few or too many.
   * @param {string} column
   * @param {string} label
   * @param {string} all
   */
  #select(column, label, all) {
    const select = h("select", { "aria-label": label });
    let offered = "";
    const offer = () => {
      const chosen = this.session.focus.categories.get(column);
      const known = this.session.loops.levels[column] ?? [];
      const levels = chosen === undefined || known.includes(chosen) ? known : [...known, chosen];
      select.hidden = chosen === undefined && (levels.length < 2 || levels.length > MOST_LEVELS);
      if (select.hidden) return;
      if (JSON.stringify(levels) !== offered) {
        offered = JSON.stringify(levels);
        const options = levels.map((level) => h("option", { value: level }, level || "(top folder)"));
        select.replaceChildren(h("option", { value: "" }, all), ...options);
      }
      select.selectedIndex = chosen === undefined ? 0 : 1 + levels.indexOf(chosen);
    };
    // A choice that is open may not change under the finger.
    this.offers.push(() => document.activeElement !== select && offer());
    select.addEventListener("blur", offer);
    select.addEventListener("change", () =>
      this.session.refocus(({ categories }) =>
        select.selectedIndex > 0 ? categories.set(column, select.value) : categories.delete(column),
      ),
    );
    return select;
  }

  /**
   * Two boxes for the ends of a range; hidden where the column knows nothing.
   * @param {string} column
   * @param {string} label spoken
   * @param {string} unit
   * @param {{ min: number, max: number, step: number }} limits
   */
  #range(column, label, unit, limits) {
    const ends = ["from", "to"].map((end) =>
      h("input", { type: "number", ...limits, placeholder: end, "aria-label": `${label} ${end}` }),
    );
    const field = h("span", { class: "ls-field" }, ends, unit);
    const apply = debounce(() => {
      const [low, high] = ends.map((input) => input.valueAsNumber);
      this.session.refocus(({ ranges }) => {
        if (Number.isNaN(low) && Number.isNaN(high)) ranges.delete(column);
        else ranges.set(column, [Number.isNaN(low) ? limits.min : low, Number.isNaN(high) ? Infinity : high]);
      });
    }, 200);
    for (const input of ends) input.addEventListener("input", apply);
    this.offers.push(() => {
      const { focus, loops } = this.session;
      const chosen = focus.ranges.get(column);
      field.hidden = !chosen && !loops.points[`value:${column}`]?.some((value) => value); // neither 0 nor NaN
      if (!chosen || ends.some((input) => input.value)) return;
      for (const [i, end] of chosen.entries()) if (Number.isFinite(end)) ends[i].value = String(end);
    });
    return field;
  }

  #showChips() {
    const { focus } = this.session;
    const chips = [];
    if (focus.group) chips.push(this.#chip(focus.group.label, () => this.session.narrow({ group: null })));
    if (focus.lasso) {
      const inside = focus.lasso.reduce((sum, value) => sum + value, 0);
      chips.push(this.#chip(`Lasso: ${format.loops(inside)}`, () => this.onClearLasso()));
    }
    if (focus.active) chips.push(button("Clear all", { onclick: () => this.clear() }));
    this.chips.replaceChildren(...chips);
    this.chips.hidden = !chips.length;
  }

  /** @param {string} label @param {() => void} onclick */
  #chip(label, onclick) {
    const shown = [label, icon("close")];
    return button(shown, { class: "ls-chip", "aria-label": `Remove filter: ${label}`, onclick });
  }
}

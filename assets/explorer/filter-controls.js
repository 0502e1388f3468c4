// What filters are set with: boxes to tick, a choice of one level, the two ends of a range. Each has an `element` and a
// `show` that brings it in line with the session of now; what the hand is on stays as it is.

import { levelText } from "./conditions.js";
import { debounce, h } from "./dom.js";
import { countLevels, countUnknown } from "./facets.js";
import * as format from "./format.js";

const MOST_LEVELS = 500;
const TYPING_MS = 200;

/** @typedef {{ value: string, text: string, count: number, ticked: boolean }} Choice */

/** A box to tick, and beside it how many loops that would give. */
export class Tick {
  /** @param {string} text @param {(ticked: boolean) => void} onTick @param {Attributes} attributes of the whole */
  constructor(text, onTick, attributes = {}) {
    this.box = h("input", { type: "checkbox" });
    this.box.addEventListener("change", () => onTick(this.box.checked));
    this.text = h("span", {}, text);
    this.number = h("span", { class: "ls-choice-count" });
    this.element = h("label", { class: "ls-tick", ...attributes }, this.box, this.text, this.number);
  }

  /** @param {boolean} ticked @param {number | null} count null: not said */
  show(ticked, count = null) {
    this.box.checked = ticked;
    this.number.textContent = count === null ? "" : format.count(count);
    this.element.classList.toggle("ls-is-empty", count === 0 && !ticked);
  }
}

/** Boxes of which any number may be ticked. */
export class Ticks {
  /** @param {string} legend @param {(value: string, ticked: boolean) => void} onTick @param {Child} more below the boxes */
  constructor(legend, onTick, more = null) {
    this.onTick = onTick;
    /** @type {Map<string, Tick>} by value */
    this.ticks = new Map();
    this.list = h("div", { class: "ls-ticks" });
    this.element = h("fieldset", { class: "ls-filter" }, h("legend", {}, legend), this.list, more);
  }

  /** @param {Choice[]} choices */
  show(choices) {
    const before = [...this.ticks.keys()].join("\n");
    for (const { value, text } of choices)
      if (!this.ticks.has(value)) this.ticks.set(value, new Tick(text, (ticked) => this.onTick(value, ticked)));
    this.ticks = new Map(choices.map(({ value }) => [value, /** @type {Tick} */ (this.ticks.get(value))]));
    for (const { value, ticked, count } of choices) this.ticks.get(value)?.show(ticked, count);
    if ([...this.ticks.keys()].join("\n") !== before)
      this.list.replaceChildren(...[...this.ticks.values()].map(({ element }) => element));
    this.element.hidden = !choices.length;
  }
}

/** One level of a column, or all; hidden where there are too few or too many. */
export class Level {
  /** @param {Session} session @param {string} column @param {string} label @param {string} all */
  constructor(session, column, label, all) {
    this.session = session;
    this.column = column;
    this.all = all;
    this.select = h("select", { "aria-label": label });
    this.element = h("label", { class: "ls-filter" }, h("span", {}, label), this.select);
    this.select.addEventListener("blur", () => this.#offer());
    this.select.addEventListener("change", () =>
      session.refocus(({ categories }) =>
        this.select.selectedIndex > 0 ? categories.set(column, this.select.value) : categories.delete(column),
      ),
    );
  }

  show() {
    if (document.activeElement !== this.select) this.#offer(); // a list that is open may not change under the finger
  }

  #offer() {
    const { column, select } = this;
    const { focus, loops } = this.session;
    const chosen = focus.categories.get(column);
    const known = loops.levels[column] ?? [];
    const levels = chosen === undefined || known.includes(chosen) ? known : [...known, chosen];
    this.element.hidden = chosen === undefined && (levels.length < 2 || levels.length > MOST_LEVELS);
    if (this.element.hidden) return;
    const counts = countLevels(focus, column);
    const texts = levels.map((level, code) => `${levelText(column, level)} (${format.count(counts[code] ?? 0)})`);
    const options = levels.map((level, i) => h("option", { value: level }, texts[i]));
    select.replaceChildren(h("option", { value: "" }, this.all), ...options);
    select.selectedIndex = chosen === undefined ? 0 : 1 + levels.indexOf(chosen);
  }
}

/** The two ends of a range, and whether what is unknown is kept; hidden where the column knows nothing. */
export class Range {
  /** @param {Session} session @param {import("./conditions.js").Measured} measured */
  constructor(session, { column, label, spoken, unit, help, min, max, step }) {
    this.session = session;
    this.column = column;
    this.min = min;
    this.ends = ["from", "to"].map((end) =>
      h("input", { type: "number", min, max, step, placeholder: end, "aria-label": `${spoken} ${end}` }),
    );
    this.unknown = new Tick("", (ticked) =>
      session.refocus(({ unknown }) => (ticked ? unknown.add(column) : unknown.delete(column))),
    );
    const boxes = h("span", { class: "ls-ends" }, this.ends[0], "–", this.ends[1], unit);
    const attributes = { class: "ls-filter", role: "group", "aria-label": spoken, title: help || null };
    this.element = h("div", attributes, h("span", {}, label), boxes, this.unknown.element);
    const apply = debounce(() => this.#apply(), TYPING_MS);
    for (const input of this.ends) input.addEventListener("input", apply);
  }

  show() {
    const { column, ends, session } = this;
    const { focus, loops } = session;
    const chosen = focus.ranges.get(column);
    this.element.hidden = !chosen && !loops.numbers(column)?.some((value) => value); // neither 0 nor NaN
    if (this.element.hidden) return;
    if (!ends.some((input) => input === document.activeElement)) {
      const [low, high] = chosen ?? [this.min, Infinity];
      ends[0].value = low > this.min ? String(low) : "";
      ends[1].value = Number.isFinite(high) ? String(high) : "";
    }
    const count = countUnknown(focus, column);
    const kept = focus.unknown.has(column);
    this.unknown.text.textContent = `keep ${format.count(count)} unknown`;
    this.unknown.element.hidden = !count && !kept;
    this.unknown.show(kept);
  }

  #apply() {
    const { column } = this;
    const [low, high] = this.ends.map((input) => input.valueAsNumber);
    this.session.refocus(({ ranges }) => {
      if (Number.isNaN(low) && Number.isNaN(high)) ranges.delete(column);
      else ranges.set(column, [Number.isNaN(low) ? this.min : low, Number.isNaN(high) ? Infinity : high]);
    });
  }
}

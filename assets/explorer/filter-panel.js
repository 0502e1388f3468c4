// What the button "Filters" opens: all there is to filter by, each choice with how many loops it would give. While it is
// closed nothing of it is counted.

import { CATEGORIES, MARKS, MEASURED, NOTED, NOTHING_FOUND } from "./conditions.js";
import { button, h } from "./dom.js";
import { countKinds, countLevels, countMarks, countNoted } from "./facets.js";
import { Level, Range, Tick, Ticks } from "./filter-controls.js";
import * as format from "./format.js";

export class FilterPanel {
  /** @param {Session} session @param {{ onClear: () => void, onDone: () => void }} hears */
  constructor(session, { onClear, onDone }) {
    this.session = session;
    const assign = (/** @type {object} */ change) => session.refocus((focus) => Object.assign(focus, change));
    const unsure = { title: "Findings of which the signal checks are not sure" };
    this.unsure = new Tick("also unsure ones", (unsure) => assign({ unsure }), unsure);
    this.kinds = new Ticks("Fault", (kind, ticked) => this.#tick("kinds", kind, ticked), this.unsure.element);
    this.noted = new Tick(NOTED, (noted) => assign({ noted }));
    this.fresh = new Tick("", (ticked) =>
      session.refocus(({ categories }) =>
        ticked ? categories.set("new", session.loops.levels.new[0]) : categories.delete("new"),
      ),
    );
    const beside = [this.noted.element, this.fresh.element];
    this.marks = new Ticks("Mark and note", (mark, ticked) => this.#tick("marked", mark, ticked), beside);
    const levels = CATEGORIES.map((category) => new Level(session, ...category));
    const ranges = MEASURED.map((measured) => new Range(session, measured));
    this.fields = [...levels, ...ranges];
    this.said = h("output", { class: "ls-panel-said" });
    const foot = [button("Clear filters", { onclick: onClear }), button("Done", { onclick: onDone })];
    const column = (/** @type {{ element: HTMLElement }[]} */ parts) =>
      h(
        "div",
        { class: "ls-fields" },
        parts.map(({ element }) => element),
      );
    this.body = h(
      "div",
      { class: "ls-panel-body" },
      column([this.kinds]),
      column([this.marks, ...ranges]),
      column(levels),
    );
    this.element = h(
      "div",
      { class: "ls-panel", role: "dialog", "aria-label": "Filters" },
      this.body,
      h("footer", { class: "ls-panel-foot" }, this.said, foot),
    );
  }

  /** In line with the session of now. */
  show() {
    const { focus, loops } = this.session;
    this.kinds.show(kindsOf(focus));
    this.unsure.show(focus.unsure);
    const counts = countMarks(focus);
    const ticked = (/** @type {Mark | "none"} */ mark) => focus.marked.has(mark);
    this.marks.show(MARKS.map(([value, text]) => ({ value, text, count: counts[value], ticked: ticked(value) })));
    this.noted.show(focus.noted, countNoted(focus));
    const level = focus.categories.get("new") ?? loops.levels.new?.[0];
    this.fresh.element.hidden = level === undefined;
    this.fresh.text.textContent = level ?? "";
    this.fresh.show(focus.categories.has("new"), countLevels(focus, "new")[0] ?? 0);
    for (const field of this.fields) field.show();
    this.said.textContent = `${format.count(focus.count)} of ${format.loops(loops.n)}`;
  }

  /** @param {"kinds" | "marked"} name @param {string} value @param {boolean} ticked */
  #tick(name, value, ticked) {
    this.session.refocus((focus) => {
      const chosen = /** @type {Set<string>} */ (focus[name]);
      if (ticked) chosen.add(value);
      else chosen.delete(value);
    });
  }
}

/** The kinds that were found somewhere or are chosen; none where no check has found anything. @param {Focus} focus */
function kindsOf(focus) {
  const { loops, kinds } = focus;
  let found = 0;
  for (let row = 0; row < loops.n; row += 1) found |= loops.found(row, true);
  const counts = countKinds(focus);
  const choice = (/** @type {string} */ kind, /** @type {number} */ count) => ({
    value: kind,
    text: kind || NOTHING_FOUND,
    count,
    ticked: kinds.has(kind),
  });
  const known = loops.faultKinds.map((kind, bit) => choice(kind, counts[bit]));
  const offered = known.filter(({ ticked }, bit) => ticked || found & (1 << bit));
  const unheardOf = [...kinds].filter((kind) => kind && !loops.faultKinds.includes(kind));
  const clean = found || kinds.has("") ? [choice("", counts[loops.faultKinds.length])] : [];
  return [...offered, ...unheardOf.map((kind) => choice(kind, 0)), ...clean];
}

// Search words, the button that opens the panel of filters, and, as removable chips, what holds now. The chips stand
// above the list, where they move no figure: the second click on a bar must meet the same bar.

import { conditionsOf } from "./conditions.js";
import { button, debounce, h, icon } from "./dom.js";
import { FilterPanel } from "./filter-panel.js";
import { applyFilters } from "./filter-state.js";
import * as format from "./format.js";
import { Sheet } from "./sheet.js";

export class Filters {
  /** @param {Session} session @param {{ onClearLasso: () => void }} hears */
  constructor(session, { onClearLasso }) {
    this.session = session;
    this.onClearLasso = onClearLasso;
    const label = "Search names";
    this.search = h("input", { type: "search", class: "ls-search", placeholder: label, "aria-label": label });
    const search = debounce(() => session.refocus((focus) => focus.search(this.search.value)), 120);
    this.search.addEventListener("input", search);
    this.chips = h("div", { class: "ls-chips", hidden: true });
    this.said = ""; // on the chips
    this.button = button("Filters", { class: "ls-quiet ls-filters-button" });
    this.choices = new FilterPanel(session, { onClear: () => this.clear(), onDone: () => this.sheet.close() });
    this.panel = this.choices.element;
    this.sheet = new Sheet(this.button, this.panel, () => this.choices.show());
    const parts = [this.search, this.button, this.panel];
    this.element = h("div", { class: "ls-filters", role: "search", "aria-label": "Filter loops" }, parts);
    this.adopt();
    session.on("focus marks notes", () => this.adopt());
  }

  /** Offer what the session's loops of now can be filtered by; what is chosen stays chosen. */
  adopt() {
    this.#showChips();
    if (this.sheet.open) this.choices.show();
  }

  /** Let these filters hold and no other. @param {import("./filter-state.js").SavedFilters} saved */
  restore(saved) {
    this.onClearLasso();
    this.search.value = saved.search;
    this.session.refocus((focus) => applyFilters(focus, saved));
  }

  clear() {
    this.search.value = "";
    this.onClearLasso();
    this.session.refocus((focus) => focus.clear());
  }

  /** Back on the page. */
  returned() {
    this.sheet.returned();
  }

  close() {
    this.sheet.end();
  }

  #showChips() {
    const { focus } = this.session;
    const conditions = conditionsOf(focus);
    const chips = conditions.map(({ text, remove }) => this.#chip(text, () => this.session.refocus(remove)));
    this.button.textContent = conditions.length ? `Filters (${conditions.length})` : "Filters";
    this.button.classList.toggle("ls-is-on", conditions.length > 0);
    if (focus.group) chips.push(this.#chip(focus.group.label, () => this.session.narrow({ group: null })));
    if (focus.lasso) {
      const inside = focus.lasso.reduce((sum, value) => sum + value, 0);
      chips.push(this.#chip(`Lasso: ${format.loops(inside)}`, () => this.onClearLasso()));
    }
    if (focus.active) chips.push(button("Clear all", { onclick: () => this.clear() }));
    const said = chips.map(({ textContent }) => textContent).join("\n");
    if (said === this.said) return; // a chip that has the focus or is being pressed stays
    this.said = said;
    const focused = this.chips.contains(document.activeElement);
    this.chips.replaceChildren(...chips);
    this.chips.hidden = !chips.length;
    if (focused) (chips[0] ?? this.search).focus({ preventScroll: true });
  }

  /** @param {string} label @param {() => void} onclick */
  #chip(label, onclick) {
    const shown = [label, icon("close")];
    return button(shown, { class: "ls-chip", "aria-label": `Remove filter: ${label}`, onclick });
  }
}

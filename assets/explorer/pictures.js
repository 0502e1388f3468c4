// The three pictures, linked: one is large, the others stand small beside it, and any of them grows by one click. Which
// one is kept by the browser.

import { h, iconButton } from "./dom.js";
import { recall, remember } from "./preferences.js";

const FIRST = "scatter";

export class Pictures {
  /** @param {Chart[]} charts */
  constructor(charts) {
    this.charts = charts;
    for (const chart of charts) {
      const enlarge = () => this.enlarge(chart.name);
      const label = `Enlarge: ${chart.title}`;
      chart.tools.after(iconButton("enlarge", label, enlarge, { class: "ls-icon-button ls-enlarge" }));
    }
    const elements = charts.map(({ element }) => element);
    this.element = h("div", { class: "ls-pictures", role: "group", "aria-label": "Pictures" }, elements);
    const kept = recall("large", FIRST);
    this.enlarge(charts.some(({ name }) => name === kept) ? kept : FIRST);
  }

  /** Show one large, the others small. @param {string} name */
  enlarge(name) {
    this.element.dataset.large = remember("large", name);
    for (const chart of this.charts) chart.setCompact(chart.name !== name);
  }
}

// Thin rings around the loops most like the selected one, on the map; asked for once a selection rests.

import { debounce, h } from "./dom.js";

const MOST_RINGS = 8;
const REST_MS = 150;

export class NearRings {
  /** @param {Scatter} chart */
  constructor(chart) {
    this.chart = chart;
    this.row = -1;
    /** @type {number[]} */
    this.rows = [];
    this.nodes = Array.from({ length: MOST_RINGS }, () => h("div", { class: "ls-near", hidden: true }));
    this.ask = debounce((/** @type {number} */ row) => this.#ask(row), REST_MS);
    chart.layer.prepend(...this.nodes);
  }

  /** @param {(row: number) => number} moved where rows of before are now */
  adopt(moved) {
    this.row = moved(this.row);
    this.rows = this.rows.map(moved).filter((row) => row >= 0);
    if (this.row >= 0) this.ask(this.row); // others may be near now
  }

  place() {
    const { selected, loops } = this.chart.session;
    if (selected !== this.row && loops.latents) {
      // without the latents nobody knows yet who is near
      this.row = selected;
      this.rows = [];
      if (selected >= 0) this.ask(selected);
    }
    this.nodes.forEach((node, i) => {
      if (i < this.rows.length) this.chart.put(node, ...this.chart.pixels(this.rows[i]));
      else node.hidden = true;
    });
  }

  /** @param {number} row */
  async #ask(row) {
    const { session } = this.chart;
    const { loops } = session;
    const rows = await loops.neighbours(row);
    const isClosed = !this.chart.plotly; // while the answer was on its way
    if (row !== this.row || loops !== session.loops || isClosed) return;
    this.rows = rows.slice(0, MOST_RINGS);
    this.place();
  }
}

// Thin rings around the loops most like the selected one, on the map; asked for once a selection rests.

import { debounce, h } from "./dom.js";

export const MOST_RINGS = 8;
const REST_MS = 150;

export class NearRings {
  constructor(figure) {
    Object.assign(this, { figure, row: -1, rows: [] });
    this.nodes = Array.from({ length: MOST_RINGS }, () => h("div", { class: "ls-near", hidden: true }));
    this.ask = debounce((row, pixels) => this.#ask(row, pixels), REST_MS);
    figure.layer.prepend(...this.nodes);
  }

  /** `pixels` gives the place of a row in the frame. */
  place(pixels) {
    const { selected, loops } = this.figure.session;
    if (selected !== this.row && loops.latents) {
      // without the latents nobody knows yet who is near
      Object.assign(this, { row: selected, rows: [] });
      if (selected >= 0) this.ask(selected, pixels);
    }
    this.nodes.forEach((node, i) =>
      i < this.rows.length ? this.figure.put(node, ...pixels(this.rows[i])) : (node.hidden = true),
    );
  }

  async #ask(row, pixels) {
    const rows = await this.figure.session.loops.neighbours(row);
    if (row !== this.row) return;
    this.rows = rows.slice(0, MOST_RINGS);
    this.place(pixels);
  }
}

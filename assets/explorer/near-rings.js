// Thin rings around the loops most like the selected one, on the map.

import { h } from "./dom.js";

export const MOST_RINGS = 8;

export class NearRings {
  constructor(figure) {
    this.figure = figure;
    this.nodes = Array.from({ length: MOST_RINGS }, () => h("div", { class: "ls-near", hidden: true }));
    figure.layer.prepend(...this.nodes);
  }

  /** `pixels` gives the place of a row in the frame. */
  place(pixels) {
    const { selected, loops } = this.figure.session;
    if (selected !== this.row || !this.rows) {
      this.row = loops.latents ? selected : undefined; // without them nobody knows yet who is near
      this.rows = selected < 0 || !loops.latents ? [] : loops.neighbours(selected, MOST_RINGS).slice(0, MOST_RINGS);
    }
    this.nodes.forEach((node, i) =>
      i < this.rows.length ? this.figure.put(node, ...pixels(this.rows[i])) : (node.hidden = true),
    );
  }
}

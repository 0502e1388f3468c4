// Scatter of two principal components. One WebGL trace whose points carry a colour code; rows are drawn by ascending
// score, so flagged points lie on top. While the threshold moves, only the points that change colour are painted, on a
// canvas above the plot (scatter-overlay.js).

import { h, icon, perFrame } from "./dom.js";
import { Chart } from "./chart.js";
import * as format from "./format.js";
import { NearRings } from "./near-rings.js";
import { paintRows } from "./scatter-overlay.js";
import { axisOf } from "./theme.js";

const [NORMAL, FLAGGED, DIMMED] = [0, 1, 2];
const MARGIN = { l: 52, r: 12, t: 8, b: 44 };
const REACH = 6; // pixels around a point that still mean it

export class Scatter extends Chart {
  constructor(session, { onHover, onLasso }) {
    const choices = ["x", "y"].map((axis) => h("select", { "aria-label": `Component on the ${axis} axis` }));
    super(session, { name: "scatter", title: "Map", tools: choices });
    Object.assign(this, { onHover, onLasso, shown: [0, Math.min(1, session.loops.components - 1)] });
    choices.forEach((choice, axis) => this.#fillChoice(choice, axis));
    this.tools.prepend(...this.#dragTools());
    this.ring = h("div", { class: "ls-ring", hidden: true });
    this.overlay = h("canvas", { class: "ls-overlay", hidden: true, "aria-hidden": "true" });
    this.near = new NearRings(this);
    this.layer.prepend(this.overlay, this.ring);
    this.drawnCut = session.cut;
    session.on(
      "threshold",
      perFrame(() => this.#live()),
    );
    session.on("settled focus", () => this.#recolour());
    session.on("selection", () => this.place());
  }

  async draw(Plotly) {
    await super.draw(Plotly);
    this.plot.on("plotly_selected", (event) => event && this.#selected(event));
    this.plot.on("plotly_deselect", () => this.#lassoed(null));
  }

  traces() {
    const { loops, theme } = this.session;
    this.drawnCut = this.session.cut;
    const kept = { marker: { opacity: 0.85 } };
    return [
      {
        type: hasWebGL() ? "scattergl" : "scatter",
        mode: "markers",
        x: loops.component(this.shown[0]),
        y: loops.component(this.shown[1]),
        marker: {
          size: this.#size(),
          opacity: 0.85,
          color: this.#codes(),
          cmin: -0.5,
          cmax: 2.5,
          colorscale: scaleOf(theme),
          showscale: false,
          line: { width: 0 },
        },
        selected: kept, // greying out is done by colour code, for lasso and filters alike
        unselected: kept,
      },
    ];
  }

  layout() {
    const { theme } = this.session;
    return {
      margin: MARGIN,
      dragmode: this.dragmode ?? "pan",
      xaxis: axisOf(theme, this.#axisTitle(0)),
      yaxis: axisOf(theme, this.#axisTitle(1)),
      newselection: { line: { color: theme.text, width: 1, dash: "dot" } },
    };
  }

  describe() {
    const { loops, flagged } = this.session;
    return `Scatter of ${format.loops(loops.n)}, ${format.count(flagged)} flagged: ${this.#axisTitle(0)} against ${this.#axisTitle(1)}. The list beside it holds the same loops.`;
  }

  place() {
    if (!this.plotly) return;
    this.tip.hidden = true;
    const { selected } = this.session;
    if (selected < 0) this.ring.hidden = true;
    else this.put(this.ring, ...this.#pixels(selected));
    this.near.place((row) => this.#pixels(row));
    if (!this.overlay.hidden) this.#live();
  }

  shapes() {
    if (this.session.selected < 0) return [];
    const [x, y] = this.shown.map((k) => this.session.loops.component(k)[this.session.selected]);
    const pixel = { xsizemode: "pixel", ysizemode: "pixel", xanchor: x, yanchor: y, x0: -8, x1: 8, y0: -8, y1: 8 };
    return [{ type: "circle", ...pixel, line: { color: this.session.theme.selected, width: 2.5 } }];
  }

  #pixels(row) {
    const { loops } = this.session;
    return [
      this.pixel(this.x, loops.component(this.shown[0])[row]),
      this.pixel(this.y, loops.component(this.shown[1])[row]),
    ];
  }

  #size() {
    const { n } = this.session.loops;
    return n > 15000 ? 4 : n > 2000 ? 5 : 8;
  }

  #codes() {
    const { loops, cut, focus } = this.session;
    const codes = new Float32Array(loops.n);
    for (let row = 0; row < loops.n; row += 1) codes[row] = !focus.has(row) ? DIMMED : row >= cut ? FLAGGED : NORMAL;
    return codes;
  }

  #axisTitle(axis) {
    const k = this.shown[axis];
    return `PC ${k + 1} · ${format.percent(this.session.loops.explained[k])} of variance`;
  }

  /** Paint the points between the cut that Plotly drew and the cut that holds now. */
  #live() {
    if (!this.plotly) return;
    const { session, drawnCut } = this;
    const rows = [Math.min(drawnCut, session.cut), Math.max(drawnCut, session.cut)];
    this.overlay.hidden = false;
    paintRows(this, rows, session.cut > drawnCut ? session.theme.normal : session.theme.flagged, this.#size());
  }

  async #recolour() {
    if (!this.plotly) return;
    this.drawnCut = this.session.cut;
    await this.plotly.restyle(this.plot, { "marker.color": [this.#codes()] }, [0]);
    this.overlay.hidden = true;
  }

  clicked(event) {
    this.session.audition(this.rowUnder(event));
  }

  hovered(event) {
    const { loops } = this.session;
    const row = this.rowUnder(event);
    this.plot.querySelector(".nsewdrag").style.cursor = row < 0 ? "" : "pointer";
    if (row < 0) return null;
    this.onHover(row);
    return [
      loops.names[row],
      `score ${format.score(loops.scores[row])} · rank ${format.count(loops.rank(row))} · ${format.seconds(loops.durations[row])}`,
    ];
  }

  /** The row whose point is nearest to the pointer, −1 where none is near; of equally near ones the one drawn on top. */
  rowUnder(event) {
    const { loops } = this.session;
    const [xs, ys] = this.shown.map((k) => loops.component(k));
    const [x, y] = [this.valueAt(this.x, event), this.valueAt(this.y, event)];
    const [sx, sy] = [this.x, this.y].map((axis) => (axis.d2p(1) - axis.d2p(0)) ** 2); // squared pixels per unit
    let nearest = (this.#size() / 2 + REACH) ** 2;
    let row = -1;
    for (let i = 0; i < loops.n; i += 1) {
      const distance = (xs[i] - x) ** 2 * sx + (ys[i] - y) ** 2 * sy;
      if (distance <= nearest) {
        nearest = distance;
        row = i;
      }
    }
    return row;
  }

  #selected(event) {
    const inside = event.lassoPoints ? polygonTest(event.lassoPoints) : event.range ? boxTest(event.range) : null;
    if (!inside) return;
    const { loops } = this.session;
    const [x, y] = this.shown.map((k) => loops.component(k));
    this.#lassoed(Uint8Array.from({ length: loops.n }, (_, row) => (inside(x[row], y[row]) ? 1 : 0)));
    // The grey of the rest shows what is inside; Plotly's outline would catch the clicks on the points within.
    setTimeout(() => this.plotly.relayout(this.plot, { selections: [] }));
  }

  #lassoed(mask) {
    this.session.refocus((focus) => (focus.lasso = mask));
    this.onLasso(mask);
  }

  #fillChoice(choice, axis) {
    const { loops } = this.session;
    for (let k = 0; k < loops.components; k += 1) {
      choice.append(h("option", { value: k, selected: k === this.shown[axis] }, `${"xy"[axis]} PC ${k + 1}`));
    }
    choice.addEventListener("change", async () => {
      this.shown[axis] = Number(choice.value);
      if (!this.plotly) return;
      const name = ["xaxis", "yaxis"][axis];
      const layout = { [`${name}.title.text`]: this.#axisTitle(axis), [`${name}.autorange`]: true };
      await this.plotly.update(this.plot, { ["xy"[axis]]: [loops.component(this.shown[axis])] }, layout);
      this.place();
    });
  }

  #dragTools() {
    const tool = (name, label, title, onclick, extra = {}) =>
      h("button", { type: "button", class: "ls-quiet", "aria-label": label, title, onclick, ...extra }, icon(name));
    const buttons = [
      ["pan", "Move", "Move: drag the map; Ctrl or ⌘ and the wheel zooms"],
      ["select", "Box", "Box: pick the loops in a rectangle"],
      ["lasso", "Lasso", "Lasso: pick the loops within a line"],
    ].map(([mode, label, title]) =>
      tool(mode, label, title, () => choose(mode), { "aria-pressed": String(mode === "pan") }),
    );
    const choose = (mode) => {
      this.dragmode = mode;
      buttons.forEach((button, i) =>
        button.setAttribute("aria-pressed", String(["pan", "select", "lasso"][i] === mode)),
      );
      this.plotly?.relayout(this.plot, { dragmode: mode });
    };
    const reset = () => this.plotly?.relayout(this.plot, { "xaxis.autorange": true, "yaxis.autorange": true });
    return [...buttons, tool("fit", "Fit", "Fit: show all loops", reset)];
  }
}

const scaleOf = ({ normal, flagged, faint }) => [
  [0, normal],
  [1 / 3, normal],
  [1 / 3, flagged],
  [2 / 3, flagged],
  [2 / 3, faint],
  [1, faint],
];

function boxTest({ x, y }) {
  const within = (value, [a, b]) => value >= Math.min(a, b) && value <= Math.max(a, b);
  return (px, py) => within(px, x) && within(py, y);
}

/** Even-odd rule. */
function polygonTest({ x, y }) {
  return (px, py) => {
    let inside = false;
    for (let i = 0, j = x.length - 1; i < x.length; j = i, i += 1) {
      if (y[i] > py !== y[j] > py && px < ((x[j] - x[i]) * (py - y[i])) / (y[j] - y[i]) + x[i]) inside = !inside;
    }
    return inside;
  };
}

function hasWebGL() {
  hasWebGL.known ??= Boolean(document.createElement("canvas").getContext("webgl"));
  return hasWebGL.known;
}

// Scatter of two principal components. One WebGL trace whose points carry their colour as channels, which Plotly need not
// parse (of 50,000 codes on a colour scale it makes and parses 50,000 strings: 0.3 s, at the first drawing and at every
// change); rows are drawn by ascending score, so flagged points lie on top. While the threshold moves, only the points
// that change colour are painted, on a canvas above the plot (scatter-overlay.js).

import { Chart } from "./chart.js";
import { button, h, icon, perFrame } from "./dom.js";
import * as format from "./format.js";
import { MapAxes } from "./map-axes.js";
import { NearRings } from "./near-rings.js";
import { plotArea } from "./plotly-internals.js";
import { paintRows } from "./scatter-overlay.js";
import { rgba, axisOf as themedAxis } from "./theme.js";

const [NORMAL, FLAGGED, DIMMED] = [0, 1, 2];
const AXES = /** @type {const} */ (["xaxis", "yaxis"]);
const REACH = 6; // pixels around a point that still mean it

/** @type {[IconName, string, string][]} Plotly's drag modes, which are the icons' names */
const DRAG_TOOLS = [
  ["pan", "Move", "Move: drag the map; Ctrl or ⌘ and the wheel zooms"],
  ["select", "Box", "Box: pick the loops in a rectangle"],
  ["lasso", "Lasso", "Lasso: pick the loops within a line"],
];

export class Scatter extends Chart {
  /** @param {Session} session @param {{ onHover: Picked, onLasso: (mask: Uint8Array | null) => void }} hears */
  constructor(session, { onHover, onLasso }) {
    const choices = ["x", "y"].map((axis) => h("select", { "aria-label": `Component on the ${axis} axis` }));
    const scaleButton = button("", { onclick: () => this.#toggleScale() });
    super(session, { name: "scatter", title: "Map", tools: [scaleButton, ...choices] });
    this.onHover = onHover;
    this.onLasso = onLasso;
    this.axes = new MapAxes(session);
    this.scaleButton = scaleButton;
    this.choices = choices;
    this.dragmode = "pan";
    for (const [axis, choice] of choices.entries()) choice.addEventListener("change", () => this.#choose(axis));
    this.#showAxes();
    this.tools.prepend(...this.#dragTools());
    this.ring = h("div", { class: "ls-ring", hidden: true });
    this.overlay = h("canvas", { class: "ls-overlay", hidden: true, "aria-hidden": "true" });
    this.near = new NearRings(this);
    this.layer.prepend(this.overlay, this.ring);
    this.drawnCut = session.cut;
    const live = perFrame(() => this.#live());
    session.on("threshold", live);
    session.on("settled focus", () => this.#recolour());
    session.on("selection", () => this.place());
  }

  /** Take the session's loops of now; `show` draws them. @param {(row: number) => number} moved where rows of before are now */
  adopt(moved) {
    this.axes.arrange();
    this.#showAxes();
    this.near.adopt(moved);
    this.tip.hidden = true;
  }

  /** Zoom in on what is no longer there shows nothing: then the figure takes its own ranges. */
  chosenRanges() {
    const ranges = super.chosenRanges();
    const [xs, ys] = this.axes.places;
    const within = (/** @type {number} */ value, /** @type {Span | undefined} */ range) =>
      !range || (value >= range[0] && value <= range[1]);
    return xs.some((x, row) => within(x, ranges.xaxis) && within(ys[row], ranges.yaxis)) ? ranges : {};
  }

  /** @param {PlotlyLibrary} Plotly */
  async draw(Plotly) {
    await super.draw(Plotly);
    if (!this.plotly) return; // closed meanwhile
    this.plot.on("plotly_selected", (event) => event && this.#selected(event));
    this.plot.on("plotly_deselect", () => this.#lassoed(null));
    this.plot.on("plotly_relayout", () => this.#renewTicks());
  }

  traces() {
    this.overlay.hidden = true;
    this.drawnCut = this.session.cut;
    const kept = { marker: { opacity: 0.85 } };
    return [
      {
        type: hasWebGL() ? "scattergl" : "scatter",
        mode: "markers",
        x: this.axes.drawn(0),
        y: this.axes.drawn(1),
        marker: {
          size: this.#size(),
          opacity: 0.85,
          color: this.#colours(),
          line: { width: 0 },
        },
        selected: kept, // greying out is done by colour code, for lasso and filters alike
        unselected: kept,
      },
    ];
  }

  layout() {
    const ranges = this.chosenRanges();
    const axisOf = (/** @type {number} */ axis) =>
      themedAxis(this.session.theme, this.axes.title(axis), this.axes.ticks(axis, this.compact, ranges[AXES[axis]]));
    return {
      margin: this.margin,
      dragmode: this.dragmode,
      xaxis: axisOf(0),
      yaxis: axisOf(1),
      newselection: { line: { color: this.session.theme.text, width: 1, dash: "dot" } },
    };
  }

  describe() {
    const { loops, flagged } = this.session;
    return `Scatter of ${format.loops(loops.scored)}, ${format.count(flagged)} flagged: ${this.axes.title(0)} against ${this.axes.title(1)}. The list beside it holds the same loops.`;
  }

  place() {
    if (!this.plotly) return;
    this.tip.hidden = true;
    const { selected } = this.session;
    if (selected < 0) this.ring.hidden = true;
    else this.put(this.ring, ...this.pixels(selected));
    this.near.place();
    if (!this.overlay.hidden) this.#live();
  }

  shapes() {
    if (this.session.selected < 0) return [];
    const [x, y] = this.axes.places.map((places) => places[this.session.selected]);
    const pixel = { xsizemode: "pixel", ysizemode: "pixel", xanchor: x, yanchor: y, x0: -8, x1: 8, y0: -8, y1: 8 };
    return [{ type: "circle", ...pixel, line: { color: this.session.theme.selected, width: 2.5 } }];
  }

  /** @param {number} row @returns {[number, number]} pixels in the frame of its point */
  pixels(row) {
    const [x, y] = this.axes.places.map((places) => places[row]);
    return [this.x.pixel(x), this.y.pixel(y)];
  }

  #size() {
    const { scored } = this.session.loops;
    return scored > 15000 ? 4 : scored > 2000 ? 5 : 8;
  }

  /** Of every point that is drawn, as Plotly takes them: channels for WebGL, else words. */
  #colours() {
    const { loops, cut, focus, theme } = this.session;
    const { n, scored, unscored } = loops;
    const words = [theme.normal, theme.flagged, theme.faint];
    const colours = hasWebGL() ? words.map(rgba) : words;
    const all = new Array(scored);
    for (let row = unscored; row < n; row += 1)
      all[row - unscored] = colours[!focus.has(row) ? DIMMED : row >= cut ? FLAGGED : NORMAL];
    return all;
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
    if (!this.plotly || !this.session.loops.scored) return;
    this.drawnCut = this.session.cut;
    await this.follow(this.plotly.restyle(this.plot, { "marker.color": [this.#colours()] }, [0]));
    this.overlay.hidden = true;
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    this.session.audition(this.rowUnder(event));
  }

  /** @param {MouseEvent} event @returns {[string, string] | null} */
  hovered(event) {
    const { loops } = this.session;
    const row = this.rowUnder(event);
    const area = plotArea(this.plot);
    if (area) area.style.cursor = row < 0 ? "" : "pointer";
    if (row < 0) return null;
    this.onHover(row);
    return [
      loops.names[row],
      `score ${format.score(loops.scores[row])} · rank ${format.count(loops.rank(row))} · ${format.seconds(loops.durations[row])}`,
    ];
  }

  /**
   * The row whose point is nearest to the pointer, −1 where none is near; of equally near ones the one drawn on top.
   * @param {MouseEvent} event
   */
  rowUnder(event) {
    const { loops } = this.session;
    const [xs, ys] = this.axes.places;
    const [x, y] = [this.valueAt(this.x, event), this.valueAt(this.y, event)];
    const [sx, sy] = [this.x, this.y].map((axis) => (axis.pixel(1) - axis.pixel(0)) ** 2); // squared pixels per unit
    let [nearest, row] = [(this.#size() / 2 + REACH) ** 2, -1];
    for (let i = loops.unscored; i < loops.n; i += 1) {
      const distance = (xs[i] - x) ** 2 * sx + (ys[i] - y) ** 2 * sy;
      if (distance <= nearest) [nearest, row] = [distance, i];
    }
    return row;
  }

  /** @param {{ points: { pointNumber: number }[], lassoPoints?: object, range?: object }} event Plotly's plotly_selected */
  #selected({ points, lassoPoints, range }) {
    if (!lassoPoints && !range) return; // nothing was drawn: Plotly tells that the outline is gone
    const { n, unscored } = this.session.loops;
    const mask = new Uint8Array(n);
    for (const { pointNumber } of points) mask[unscored + pointNumber] = 1;
    this.#lassoed(mask);
    // The grey of the rest shows what is inside; Plotly's outline would catch the clicks on the points within.
    setTimeout(() => this.plotly?.relayout(this.plot, { selections: [] }));
  }

  /** @param {Uint8Array | null} mask */
  #lassoed(mask) {
    this.session.narrow({ lasso: mask });
    this.onLasso(mask);
  }

  /** Which components are shown and which there are; the scale is offered only where it makes a difference. */
  #showAxes() {
    const { components } = this.session.loops;
    const { shown, canAsinh } = this.axes;
    this.scaleButton.hidden = !canAsinh;
    [this.scaleButton.textContent, this.scaleButton.title] = this.axes.scaleWords;
    for (const [axis, choice] of this.choices.entries()) {
      if (choice.options.length !== components) {
        const options = Array.from({ length: components }, (_, k) =>
          h("option", { value: k }, `${"xy"[axis]} PC ${k + 1}`),
        );
        choice.replaceChildren(...options);
      }
      choice.value = String(shown[axis]);
    }
  }

  /** @param {number} axis 0 for x, 1 for y */
  async #choose(axis) {
    const ranges = this.chosenRanges();
    delete ranges[AXES[axis]];
    this.axes.choose(axis, Number(this.choices[axis].value));
    await this.#redraw(ranges);
  }

  async #toggleScale() {
    this.axes.toggleScale();
    await this.#redraw({});
  }

  /** @param {import("./chart.js").Ranges} ranges that stay */
  async #redraw(ranges) {
    this.#showAxes();
    await this.repaint(ranges);
    this.session.emit("view");
  }

  /** Ticks for what is shown now, where it was zoomed or moved. */
  #renewTicks() {
    /** @type {Record<string, any>} */
    const changes = {};
    for (const [axis, name] of AXES.entries()) {
      const { range, ticktext } = this.plot.layout[name];
      const ticks = this.axes.ticks(axis, this.compact, range);
      if (ticks.ticktext && String(ticks.ticktext) !== String(ticktext))
        for (const [key, value] of Object.entries(ticks)) changes[`${name}.${key}`] = value;
    }
    if (Object.keys(changes).length) this.plotly?.relayout(this.plot, changes);
  }

  #dragTools() {
    const choose = (/** @type {string} */ mode) => {
      this.dragmode = mode;
      for (const tool of tools) tool.setAttribute("aria-pressed", String(tool.dataset.mode === mode));
      this.plotly?.relayout(this.plot, { dragmode: mode });
      this.session.emit("view");
    };
    const tools = DRAG_TOOLS.map(([mode, label, title]) => {
      const state = { "data-mode": mode, "aria-pressed": String(mode === this.dragmode) };
      return button(icon(mode), { "aria-label": label, title, onclick: () => choose(mode), ...state });
    });
    const onclick = () => this.plotly?.relayout(this.plot, { "xaxis.autorange": true, "yaxis.autorange": true });
    return [...tools, button(icon("fit"), { "aria-label": "Fit", title: "Fit: show all loops", onclick })];
  }
}

/** @type {boolean | undefined} */
let webGL;

/** Whether points can be drawn by WebGL. The first answer takes some 60 ms: asked for while the loops are on their way. */
export function hasWebGL() {
  webGL ??= Boolean(document.createElement("canvas").getContext("webgl"));
  return webGL;
}

// Latent heatmap: loops sorted by score (most anomalous on top) × latent dimensions, standardised per dimension by
// median and interquartile range.
// Where there are more loops than pixel rows, a row is the mean of several loops; zooming in splits it.
// Above it, per dimension, the density of flagged loops and of the rest.

import { Chart } from "./chart.js";
import { drawDensities } from "./densities.js";
import { button, h } from "./dom.js";
import * as format from "./format.js";
import { axisOf, divergingOf } from "./theme.js";

const PIXELS_PER_ROW = 2;
const [SMALLEST_LIMIT_SD, GREATEST_LIMIT_SD] = [1, 4]; // of the colours; means over many loops stay near 0
const MARGIN = { l: 52, r: 64, t: 58, b: 44 };

export class Heatmap extends Chart {
  /** @param {Session} session @param {{ onHover: Picked }} hears */
  constructor(session, { onHover }) {
    const reset = button("All rows", { onclick: () => this.#show([0, session.loops.scored], true) });
    super(session, { name: "heatmap", title: "Latent heatmap", tools: [reset], margin: MARGIN });
    this.onHover = onHover;
    this.caption = h("span", {});
    this.note.append(
      this.caption,
      " · density of",
      h("span", { class: "ls-key-line" }),
      "flagged",
      h("span", { class: "ls-key-area" }),
      "rest",
    );
    this.line = h("div", { class: "ls-cut", hidden: true });
    this.strip = h("div", { class: "ls-flagged-strip" });
    this.cursor = h("div", { class: "ls-row-cursor", hidden: true });
    this.densities = h("canvas", { class: "ls-densities", "aria-hidden": "true" });
    this.layer.prepend(this.densities, this.strip, this.line, this.cursor);
    /** @type {Span} shown places: 0 is the most anomalous loop */
    this.span = [0, session.loops.scored];
    this.whole = session.loops.scored; // how many places there are
    this.step = 1; // loops a row
    this.bands = 0;
    /** @type {{ cut: number, pairs: [number[], number[]][] } | null} what densities.js drew */
    this.curves = null;
    session.on("threshold selection", () => this.place());
    session.on("settled focus selection", () => this.#drawDensities());
  }

  /** @param {PlotlyLibrary} Plotly */
  async draw(Plotly) {
    await super.draw(Plotly);
    if (!this.plotly) return; // closed meanwhile
    this.plot.on("plotly_relayout", (change) => this.#zoomed(change));
    this.plot.on("plotly_relayout", () => this.#drawDensities()); // the window may have another width
    this.#drawDensities();
  }

  /** Take the session's loops of now, all of them or the ranks that were zoomed to; `show` draws them. */
  adopt() {
    const { scored } = this.session.loops;
    const [first, last] = this.span;
    this.span = this.zoomed && first < scored ? [first, Math.min(last, scored)] : [0, scored];
    this.whole = scored;
    this.curves = null;
  }

  /** Show, once it is drawn, the places first to last. @param {number[]} span */
  restore([first, last]) {
    if (first >= this.whole) return;
    this.span = [first, Math.min(last, this.whole)];
    this.restored = { yaxis: [this.span[1] + 0.5, this.span[0] + 0.5] };
  }

  get zoomed() {
    return this.span[1] - this.span[0] < this.whole;
  }

  chosenRanges() {
    return this.zoomed ? super.chosenRanges() : {};
  }

  traces() {
    const { loops, theme } = this.session;
    const [first, last] = this.span;
    const height = (this.frame.clientHeight || 320) - this.margin.t - this.margin.b;
    this.step = Math.max(1, Math.ceil((last - first) / Math.max(1, Math.floor(height / PIXELS_PER_ROW))));
    this.bands = Math.ceil((last - first) / this.step);
    const edges = Array.from({ length: this.bands + 1 }, (_, band) => Math.min(last, first + band * this.step) + 0.5);
    this.caption.textContent =
      (this.step === 1 ? "one loop a row" : `${this.step} loops a row`) +
      (loops.dimensions.length < loops.totalDimensions
        ? ` · ${loops.dimensions.length} of ${loops.totalDimensions} dimensions`
        : "");
    this.caption.title = "A row of several loops is their mean; of many dimensions those are shown that vary most";
    const z = this.#means();
    const limit = limitOf(z);
    return [
      {
        type: "heatmap",
        z,
        x: loops.dimensions.map((_, i) => i),
        y: edges,
        zmin: -limit,
        zmax: limit,
        colorscale: divergingOf(theme),
        showscale: !this.compact,
        colorbar: {
          thickness: 8,
          len: 1,
          outlinewidth: 0,
          tickvals: [-limit, 0, limit],
          ticktext: [`−${limit} sd`, "median", `+${limit} sd`],
          tickfont: { size: 10 },
          x: 1.005,
          xpad: 4,
        },
      },
    ];
  }

  layout() {
    const { theme, loops } = this.session;
    const room = Math.max(1, Math.floor(((this.frame.clientWidth || 800) - this.margin.l - this.margin.r) / 22)); // labels that fit
    const every = Math.ceil(loops.dimensions.length / room);
    const shown = loops.dimensions.map((_, i) => i).filter((i) => i % every === 0);
    return {
      margin: this.margin,
      dragmode: "zoom",
      xaxis: axisOf(theme, "Latent dimension", {
        tickvals: shown,
        ticktext: shown.map((i) => String(loops.dimensions[i] + 1)),
        tickangle: 0,
        fixedrange: true,
        showgrid: false,
        ticks: "",
      }),
      yaxis: axisOf(theme, "Rank by score", { range: [loops.scored + 0.5, 0.5], showgrid: false }),
    };
  }

  describe() {
    const { loops } = this.session;
    return `Heatmap of ${loops.dimensions.length} latent dimensions of ${format.loops(loops.scored)}, most anomalous on top. The list beside it holds the same loops in the same order.`;
  }

  place() {
    if (!this.plotly) return;
    const { session, x, y } = this;
    const cut = y.pixel(session.flagged + 0.5);
    this.put(this.line, null, cut);
    const foot = Math.min(Math.max(cut, y.start), y.end);
    this.strip.style.cssText = `left:${x.start - 5}px;top:${y.start}px;height:${foot - y.start}px`;
    for (const node of [this.line, this.cursor]) node.style.width = `${x.length}px`;
    if (!session.loops.hasScore(session.selected)) this.cursor.hidden = true;
    else this.put(this.cursor, null, y.pixel(session.loops.rank(session.selected)));
  }

  shapes() {
    const at = this.session.flagged + 0.5;
    return [this.thresholdShape({ xref: "paper", x0: 0, x1: 1, y0: at, y1: at })];
  }

  /** Rows in the band at a place of the ranking (0 = most anomalous), most anomalous first. @param {number} place */
  rowsAt(place) {
    const [first, last] = this.span;
    const start = first + Math.floor((place - first) / this.step) * this.step;
    const places = Array.from({ length: Math.min(this.step, last - start) }, (_, i) => start + i);
    return places.map((at) => this.session.loops.n - 1 - at);
  }

  #means() {
    const { loops } = this.session;
    const [first, last] = this.span;
    const z = Array.from({ length: this.bands }, () => new Float32Array(loops.dimensions.length));
    for (let d = 0; d < loops.dimensions.length; d += 1) {
      const values = loops.dimension(d);
      const { centre, deviation } = loops.scales[d];
      for (let band = 0; band < this.bands; band += 1) {
        const start = first + band * this.step;
        const end = Math.min(last, start + this.step);
        let sum = 0;
        for (let place = start; place < end; place += 1) sum += values[loops.n - 1 - place];
        z[band][d] = (sum / (end - start) - centre) / deviation;
      }
    }
    return z;
  }

  /** @param {MouseEvent} event */
  #placeUnder(event) {
    const place = Math.ceil(this.valueAt(this.y, event) - 0.5) - 1;
    return Math.min(Math.max(place, this.span[0]), this.span[1] - 1);
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const rows = this.rowsAt(this.#placeUnder(event));
    if (rows.length === 1) this.session.audition(rows[0]);
    else this.session.auditionGroup(`band ${rows[0]} ${this.step}`, this.#label(rows), rows);
  }

  /** @param {number[]} rows */
  #label(rows) {
    const { loops } = this.session;
    return `Ranks ${format.count(loops.rank(rows[0]))} to ${format.count(loops.rank(rows[rows.length - 1]))}`;
  }

  /** @param {MouseEvent} event @returns {[string, string]} */
  hovered(event) {
    const { loops } = this.session;
    const rows = this.rowsAt(this.#placeUnder(event));
    this.onHover(rows[0]);
    const scores = [rows[rows.length - 1], rows[0]].map((row) => format.score(loops.scores[row]));
    if (rows.length === 1)
      return [loops.names[rows[0]], `score ${scores[0]} · rank ${format.count(loops.rank(rows[0]))}`];
    return [this.#label(rows), `${format.loops(rows.length)} · score ${scores.join(" to ")}`];
  }

  /** @param {Record<string, any>} change of the layout, as Plotly tells it */
  #zoomed(change) {
    const { scored } = this.session.loops;
    if (change["yaxis.autorange"]) this.#show([0, scored], true);
    if (change["yaxis.autorange"] || change["yaxis.range[0]"] === undefined) return;
    const ends = [change["yaxis.range[0]"], change["yaxis.range[1]"]].sort((a, b) => a - b);
    const first = Math.max(0, Math.floor(ends[0] - 0.5));
    this.#show([first, Math.min(scored, Math.max(first + 1, Math.ceil(ends[1] - 0.5)))], false);
  }

  /** @param {Span} span @param {boolean} reset also puts Plotly's own range there */
  async #show(span, reset) {
    if (!this.plotly) return;
    this.span = span;
    this.session.emit("view");
    const traces = this.traces();
    const { z, y, zmin, zmax, colorbar } = traces[0];
    const layout = reset ? { "yaxis.range": [span[1] + 0.5, span[0] + 0.5] } : {};
    await this.follow(this.plotly.update(this.plot, { z: [z], y: [y], zmin, zmax, colorbar }, layout));
    this.place();
  }

  #drawDensities() {
    if (this.plotly && this.session.loops.scored) drawDensities(this.densities, this);
  }

  /** @param {import("./chart.js").Ranges} [ranges] */
  async repaint(ranges) {
    await super.repaint(ranges);
    this.#drawDensities();
  }
}

/** Symmetric colour limit in standard deviations, in halves: the 99th percentile of the magnitudes. @param {Float32Array[]} z */
function limitOf(z) {
  const sizes = Float32Array.from(z.flatMap((row) => Array.from(row, Math.abs))).sort();
  const high = sizes[Math.floor(0.99 * (sizes.length - 1))] ?? 1;
  return Math.min(Math.max(Math.ceil(2 * high) / 2, SMALLEST_LIMIT_SD), GREATEST_LIMIT_SD);
}

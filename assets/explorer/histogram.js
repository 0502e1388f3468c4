// Score histogram: training filled, validation outlined, log counts, a threshold handle that is also a keyboard slider.
//
// A log score axis is drawn as a linear axis of log10(score) with ticks of its own.

import { Chart } from "./chart.js";
import { button, h, perFrame } from "./dom.js";
import * as format from "./format.js";
import { barsOf } from "./plotly-internals.js";
import { axisOf } from "./theme.js";
import { describeHandle, thresholdHandle } from "./threshold-handle.js";

const LOG_FROM_RATIO = 8; // largest score over median: from here on a linear axis squeezes nearly all into the first bars
const [BACKDROP, TRAINING, VALIDATION] = [0, 1, 2];

/** @type {[number, "fill" | "stroke"][]} */
const LIVE = [
  [TRAINING, "fill"],
  [VALIDATION, "stroke"],
];

export class Histogram extends Chart {
  /** @param {Session} session */
  constructor(session) {
    const axis = button("", { onclick: () => this.#toggleAxis() });
    super(session, { name: "histogram", title: "Scores", tools: [axis] });
    this.note.append(
      h("span", { class: "ls-key-filled" }),
      "training",
      h("span", { class: "ls-key-outlined" }),
      "validation",
    );
    this.low = this.width = 0; // of the first bar, of every bar, on the axis
    /** @type {number[]} on the axis */
    this.centres = [];
    this.bars = new Int32Array(0); // bar of every row
    /** @type {Span} of the axis */
    this.range = [0, 1];
    /** @type {Record<"all" | "training" | "validation", number[]>} per bar */
    this.counts = { all: [], training: [], validation: [] };
    /** @type {boolean | null} a logarithmic axis, as the user chose it; null: as the scores ask for */
    this.wanted = null;
    this.canLog = this.log = false;
    this.axisButton = axis;
    const scoreUnder = (/** @type {MouseEvent} */ event) => this.#score(this.valueAt(this.x, event));
    this.handle = thresholdHandle(session, scoreUnder, (/** @type {MouseEvent} */ event) => this.clicked(event));
    this.cursor = h("div", { class: "ls-cursor", hidden: true });
    this.layer.append(this.cursor, this.handle);
    this.adopt();
    const live = perFrame(() => this.#live());
    session.on("threshold", live);
    session.on("settled focus", () => this.#settle());
    session.on("selection", () => this.place());
  }

  /** Count the session's loops of now; `show` draws them. */
  adopt() {
    const { scores, unscored, n, scored } = this.session.loops;
    this.canLog = scores[unscored] > 0;
    this.log = this.canLog && (this.wanted ?? scores[n - 1] / scores[unscored + (scored >> 1)] > LOG_FROM_RATIO);
    this.#bin();
  }

  /** @param {PlotlyLibrary} Plotly */
  async show(Plotly) {
    await super.show(Plotly);
    this.#live(true);
  }

  traces() {
    const { theme, focus } = this.session;
    const counts = this.#counts();
    const colours = this.#colours();
    const common = { type: "bar", x: this.centres, width: this.width };
    return [
      { ...common, y: counts.all, visible: focus.active, marker: { color: theme.faint } },
      { ...common, y: counts.training, marker: { color: colours, line: { width: 0 } }, opacity: 0.75 },
      { ...common, y: counts.validation, marker: { color: "rgba(0,0,0,0)", line: { color: colours, width: 1.5 } } },
    ];
  }

  layout() {
    const { theme } = this.session;
    return {
      margin: this.margin,
      barmode: "overlay",
      bargap: 0,
      dragmode: false,
      xaxis: axisOf(theme, this.log ? "Anomaly score (log scale)" : "Anomaly score", {
        ...this.#ticks(),
        range: this.range,
        showgrid: false,
      }),
      yaxis: axisOf(theme, "Loops per bar (log scale)", {
        type: "log",
        fixedrange: true,
        dtick: 1,
        range: this.#heights(),
        exponentformat: "none",
      }),
    };
  }

  describe() {
    const { loops, flagged, threshold } = this.session;
    return `Histogram of ${format.count(loops.scored)} anomaly scores; ${format.count(flagged)} lie above the threshold of ${format.score(threshold)}`;
  }

  place() {
    if (!this.plotly) return;
    const { session, x, y } = this;
    this.put(this.handle, x.pixel(this.#axisValue(session.threshold)), null);
    for (const node of [this.handle, this.cursor]) node.style.height = `${y.length}px`;
    if (session.selected < 0) this.cursor.hidden = true;
    else this.put(this.cursor, x.pixel(this.#axisValue(session.loops.scores[session.selected])), null);
  }

  shapes() {
    const at = this.#axisValue(this.session.threshold);
    return [this.thresholdShape({ x0: at, x1: at, yref: "paper", y0: 0, y1: 1 })];
  }

  /** Rows of one bar, most anomalous first. @param {number} bar */
  rowsOf(bar) {
    const rows = [];
    const { n, unscored } = this.session.loops;
    for (let row = n - 1; row >= unscored; row -= 1) if (this.bars[row] === bar) rows.push(row);
    return rows;
  }

  /** @param {number} score */
  #axisValue(score) {
    return this.log ? Math.log10(Math.max(score, Number.MIN_VALUE)) : score;
  }

  /** @param {number} axisValue */
  #score(axisValue) {
    return this.log ? 10 ** axisValue : axisValue;
  }

  #bin() {
    const { scores, n, unscored, scored } = this.session.loops;
    const values = Float64Array.from(scores, (score) => this.#axisValue(score));
    let [low, high] = scored ? [values[unscored], values[n - 1]] : [0, 0];
    if (high - low < 1e-12) [low, high] = [low - 0.5, high + 0.5];
    const bars = Math.max(12, Math.min(80, Math.round(2.5 * Math.sqrt(scored))));
    this.low = low;
    this.width = (high - low) / bars;
    this.centres = Array.from({ length: bars }, (_, bar) => low + (bar + 0.5) * this.width);
    this.bars = Int32Array.from(values, (value) => Math.min(bars - 1, Math.floor((value - low) / this.width)));
    this.range = [low - this.width, high + this.width];
    this.axisButton.textContent = this.log ? "log axis" : "linear axis";
    this.axisButton.hidden = !this.canLog;
    this.axisButton.title = `Score axis is ${this.log ? "logarithmic; click for linear" : "linear; click for logarithmic"}`;
  }

  #counts() {
    const { loops, focus } = this.session;
    const zeros = () => new Array(this.centres.length).fill(0);
    const counts = { all: zeros(), training: zeros(), validation: zeros() };
    for (let row = loops.unscored; row < loops.n; row += 1) {
      counts.all[this.bars[row]] += 1;
      if (focus.has(row)) counts[loops.validation[row] ? "validation" : "training"][this.bars[row]] += 1;
    }
    this.counts = counts;
    return counts;
  }

  /** Log10 range of the count axis: half a loop at the foot, so that a bar of one loop is seen. */
  #heights() {
    const most = Math.max(1, ...this.#counts().all);
    return [Math.log10(0.5), Math.log10(most * 1.6)];
  }

  #ticks() {
    if (!this.log) return { tickmode: "auto", nticks: 8 };
    const scores = [];
    for (let power = Math.floor(this.range[0]); power <= this.range[1]; power += 1) {
      for (const digit of this.range[1] - this.range[0] > 3 ? [1] : [1, 2, 5]) scores.push(digit * 10 ** power);
    }
    return { tickmode: "array", tickvals: scores.map(Math.log10), ticktext: scores.map(format.tick) };
  }

  #colours() {
    const { theme, threshold } = this.session;
    const at = this.#axisValue(threshold);
    return this.centres.map((centre) => (centre > at ? theme.flagged : theme.normal));
  }

  /** While the threshold moves: recolour the bars' own SVG nodes, without Plotly; `anew` where Plotly just drew them. */
  #live(anew = false) {
    const { session } = this;
    describeHandle(this.handle, session);
    if (!this.plotly) return;
    this.place();
    const at = this.#axisValue(session.threshold);
    const hidden = session.focus.active ? 0 : 1; // the backdrop has no node while it is hidden
    for (const [trace, property] of LIVE) {
      for (const { at: centre, path } of barsOf(this.plot, trace - hidden)) {
        const colour = centre > at ? session.theme.flagged : session.theme.normal;
        if (!path || (path.painted === colour && !anew)) continue;
        path.painted = colour;
        path.style[property] = colour;
      }
    }
  }

  async #settle() {
    if (!this.plotly || !this.session.loops.scored) return;
    const counts = this.#counts();
    const colours = this.#colours();
    await this.follow(
      this.plotly.restyle(
        this.plot,
        {
          y: [counts.all, counts.training, counts.validation],
          visible: [this.session.focus.active, true, true],
          "marker.color": [this.session.theme.faint, colours, "rgba(0,0,0,0)"],
          "marker.line.color": [null, null, colours],
        },
        [BACKDROP, TRAINING, VALIDATION],
      ),
    );
    this.#live(true);
  }

  /** The whole column answers, however low its bar. @param {MouseEvent} event */
  clicked(event) {
    const bar = this.#barUnder(event);
    this.session.auditionGroup(`bar ${this.log} ${bar}`, this.#label(bar), this.rowsOf(bar));
  }

  /** @param {MouseEvent} event @returns {[string, string] | null} */
  hovered(event) {
    const bar = this.#barUnder(event);
    const { training, validation } = this.counts;
    if (!(training[bar] + validation[bar])) return null;
    return [
      this.#label(bar),
      `${format.loops(training[bar])} of training, ${format.count(validation[bar])} of validation`,
    ];
  }

  /** @param {MouseEvent} event */
  #barUnder(event) {
    return Math.floor((this.valueAt(this.x, event) - this.low) / this.width);
  }

  /** @param {number} bar */
  #label(bar) {
    const [from, to] = [0, 1].map((edge) => format.score(this.#score(this.low + (bar + edge) * this.width)));
    return `Score ${from} to ${to}`;
  }

  async #toggleAxis() {
    this.wanted = !this.log;
    this.adopt();
    await this.repaint({});
    this.#live(true);
    this.session.emit("view");
  }
}

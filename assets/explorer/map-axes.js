// The two axes of the map: which principal components they show, where every loop stands on them, and ticks. An axis that
// few loops would stretch is an asinh axis (asinh-scale.js).

import { placeOf, placesOf, scaleOf, ticksOf } from "./asinh-scale.js";
import * as format from "./format.js";

const [MOST_TICKS, FEW_TICKS] = [7, 3];

export class MapAxes {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.wanted = [0, 1]; // components on the x and y axis
    this.shown = this.wanted;
    /** @type {boolean | null} asinh axes, as the user chose them; null: where the loops ask for them */
    this.asinh = null;
    this.canAsinh = false;
    /** @type {(import("./asinh-scale.js").AsinhScale | null)[]} of the x and y axis; null: linear */
    this.scales = [null, null];
    /** @type {Float32Array[]} where every row stands on the x and y axis, as Plotly draws it */
    this.places = [];
    this.arrange();
  }

  /** Take what is wanted, and the session's loops of now. */
  arrange() {
    const { loops } = this.session;
    const last = Math.max(0, loops.components - 1);
    const shown = this.wanted.map((k) => Math.min(k, last));
    const values = shown.map((k) => loops.component(k));
    const fitting = values.map((of, axis) => {
      const before = shown[axis] === this.shown[axis] ? this.scales[axis] : null;
      return scaleOf(of.subarray(loops.unscored), before);
    });
    this.shown = shown;
    this.canAsinh = fitting.some(Boolean);
    this.scales = this.asinh === false ? [null, null] : fitting;
    this.places = values.map((of, axis) => placesOf(this.scales[axis], of));
  }

  /** @param {number} axis 0 for x, 1 for y @param {number} k a component */
  choose(axis, k) {
    this.wanted = this.wanted.map((known, at) => (at === axis ? k : known));
    this.arrange();
  }

  toggleScale() {
    this.asinh = this.asinh === false;
    this.arrange();
  }

  /** Name and title of the button that shows and changes the scale. @returns {[string, string]} */
  get scaleWords() {
    if (this.asinh === false) return ["linear axes", "Axes are linear; click to compress what lies far out (asinh)"];
    return ["asinh axes", "What lies far out is compressed (asinh); click for linear axes"];
  }

  /** Where a coordinate stands. @param {number} axis 0 for x, 1 for y @param {number} value */
  placeOf(axis, value) {
    return placeOf(this.scales[axis], value);
  }

  /** What is drawn: loops that have a score. @param {number} axis 0 for x, 1 for y */
  drawn(axis) {
    return this.places[axis].subarray(this.session.loops.unscored);
  }

  /** @param {number} axis 0 for x, 1 for y */
  title(axis) {
    const k = this.shown[axis];
    return `PC ${k + 1} · ${format.percent(this.session.loops.explained[k])} of variance`;
  }

  /**
   * Ticks of an asinh axis; of a linear one Plotly knows better.
   * @param {number} axis 0 for x, 1 for y
   * @param {boolean} compact
   * @param {Span | undefined} range that is shown; else all there is
   */
  ticks(axis, compact, range) {
    const scale = this.scales[axis];
    if (!scale) return {};
    const values = ticksOf(scale, range ?? endsOf(this.drawn(axis)), compact ? FEW_TICKS : MOST_TICKS);
    const tickvals = values.map((value) => placeOf(scale, value));
    return { tickmode: "array", tickvals, ticktext: values.map(labelOf) };
  }
}

/** With a minus as Plotly's own. @param {number} value */
const labelOf = (value) => (value ? format.tick(value).replace("-", "−") : "0");

/** @param {Float32Array} places @returns {Span} */
function endsOf(places) {
  let [low, high] = [Infinity, -Infinity];
  for (const place of places) [low, high] = [Math.min(low, place), Math.max(high, place)];
  return [low, high];
}

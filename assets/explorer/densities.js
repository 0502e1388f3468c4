// Density of every latent dimension, one small curve per heatmap column: flagged loops as a line, the rest filled, the
// selected loop as a tick. Each column spans −4 to +4 standard deviations; both curves have area one.

import { fitCanvas } from "./dom.js";

const BINS = 40;
const LIMIT_SD = 4;
const HEIGHT = 46;
const GAP = 0.14; // share of a column left empty between curves

/** @param {HTMLCanvasElement} canvas @param {Heatmap} heatmap */
export function drawDensities(canvas, heatmap) {
  const { x, y, session } = heatmap;
  const { loops, theme, selected } = session;
  canvas.style.cssText = `left:${x.start}px;top:${y.start - HEIGHT - 4}px;width:${x.length}px;height:${HEIGHT}px`;
  const context = fitCanvas(canvas, x.length, HEIGHT);
  const column = x.length / loops.dimensions.length;
  const width = column * (1 - GAP);
  for (const [d, [rest, flagged]] of densitiesOf(heatmap).entries()) {
    const tallest = Math.max(...rest, ...flagged, 1e-9);
    const left = d * column + (column - width) / 2;
    trace(context, rest, left, width, tallest);
    context.fillStyle = theme.faint;
    context.fill();
    if (session.flagged) {
      trace(context, flagged, left, width, tallest);
      context.strokeStyle = theme.flagged;
      context.lineWidth = 1.25;
      context.stroke();
    }
    if (loops.hasScore(selected)) {
      const place = Math.min(Math.max(placeIn(heatmap, d)(loops.dimension(d)[selected]), 0), 1);
      context.fillStyle = theme.selected;
      context.fillRect(left + place * width - 1, HEIGHT - 10, 2, 10);
    }
  }
}

/** Pairs of curves per dimension; kept until the cut between flagged and rest moves. @param {Heatmap} heatmap */
function densitiesOf(heatmap) {
  const { loops, cut } = heatmap.session;
  if (heatmap.curves?.cut === cut) return heatmap.curves.pairs;
  /** @type {[number[], number[]][]} */
  const pairs = loops.dimensions.map((_, d) => {
    const values = loops.dimension(d);
    const place = placeIn(heatmap, d);
    return [density(values, loops.unscored, cut, place), density(values, cut, loops.n, place)];
  });
  heatmap.curves = { cut, pairs };
  return pairs;
}

/** Where a value of dimension d stands in its column, 0 to 1 for −4 to +4 standard deviations. @param {Heatmap} heatmap @param {number} d */
function placeIn(heatmap, d) {
  const { centre, deviation } = heatmap.session.loops.scales[d];
  return (/** @type {number} */ value) => (value - centre) / (2 * LIMIT_SD * deviation) + 0.5;
}

/**
 * Kernel density of values[from:to] on a grid of BINS, (BINS,) with a sum of one where all values lie well within it.
 * Gaussian kernel with Scott's bandwidth for unit deviation.
 * @param {ArrayLike<number>} values
 * @param {number} from
 * @param {number} to
 * @param {(value: number) => number} place of a value on the grid, 0 to 1
 */
export function density(values, from, to, place) {
  const total = to - from;
  const counts = new Float64Array(BINS);
  for (let row = from; row < to; row += 1) {
    const bin = Math.floor(place(values[row]) * BINS);
    if (bin >= 0 && bin < BINS) counts[bin] += 1 / total;
  }
  const kernel = kernelFor((Math.max(1, total) ** -0.2 * BINS) / (2 * LIMIT_SD));
  return Array.from(counts, (_, i) =>
    kernel.reduce((sum, weight, j) => sum + weight * (counts[i + j - (kernel.length >> 1)] ?? 0), 0),
  );
}

/** Gaussian weights that sum to one; `width` in bins. @param {number} width */
function kernelFor(width) {
  const reach = Math.ceil(3 * width);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / width) ** 2));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} curve
 * @param {number} left
 * @param {number} width
 * @param {number} tallest
 */
function trace(context, curve, left, width, tallest) {
  context.beginPath();
  context.moveTo(left, HEIGHT);
  for (const [i, value] of curve.entries())
    context.lineTo(left + ((i + 0.5) / BINS) * width, HEIGHT - (value / tallest) * (HEIGHT - 3));
  context.lineTo(left + width, HEIGHT);
}

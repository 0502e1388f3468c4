// Density of every latent dimension, one small curve per heatmap column: flagged loops as a line, the rest filled, the
// selected loop as a tick. Each column spans −3 to +3 standard deviations; both curves have area one.

import { fitCanvas } from "./dom.js";

const BINS = 25;
const LIMIT_SD = 3;
const HEIGHT = 46;

export function drawDensities(canvas, heatmap) {
  const { x, y, session } = heatmap;
  const { loops, theme, cut, selected } = session;
  canvas.style.cssText = `left:${x._offset}px;top:${y._offset - HEIGHT - 4}px;width:${x._length}px;height:${HEIGHT}px`;
  const context = fitCanvas(canvas, x._length, HEIGHT);
  context.clearRect(0, 0, x._length, HEIGHT);
  const column = x._length / loops.dimensions.length;
  for (let d = 0; d < loops.dimensions.length; d += 1) {
    const place = (value) => Math.min(Math.max((value - heatmap.means[d]) / heatmap.deviations[d] / (2 * LIMIT_SD) + 0.5, 0), 1);
    const values = loops.dimension(d);
    const curves = [density(values, 0, cut, place), density(values, cut, loops.n, place)];
    const tallest = Math.max(...curves.flat(), 1e-9);
    const left = d * column + 1;
    const width = column - 2;
    trace(context, curves[0], left, width, tallest);
    context.fillStyle = theme.faint;
    context.fill();
    if (session.flagged) {
      trace(context, curves[1], left, width, tallest);
      context.strokeStyle = theme.flagged;
      context.lineWidth = 1.25;
      context.stroke();
    }
    if (selected >= 0) {
      context.fillStyle = theme.selected;
      context.fillRect(left + place(values[selected]) * width - 0.75, HEIGHT - 9, 2, 9);
    }
  }
}

/** Smoothed relative frequencies of values[from:to]. */
function density(values, from, to, place) {
  const counts = new Array(BINS).fill(0);
  for (let row = from; row < to; row += 1) counts[Math.min(BINS - 1, Math.floor(place(values[row]) * BINS))] += 1;
  const total = Math.max(1, to - from);
  return counts.map((value, i) => ((counts[i - 1] ?? 0) + 2 * value + (counts[i + 1] ?? 0)) / (4 * total));
}

function trace(context, curve, left, width, tallest) {
  context.beginPath();
  context.moveTo(left, HEIGHT);
  curve.forEach((value, i) => context.lineTo(left + ((i + 0.5) / BINS) * width, HEIGHT - (value / tallest) * (HEIGHT - 3)));
  context.lineTo(left + width, HEIGHT);
}

// Points painted straight into pixels: at 50,000 points a restyle of the plot takes a third of a second, this a few
// milliseconds.

import { fitCanvas } from "./dom.js";
import { rgb } from "./theme.js";

/**
 * Paint rows [from, to) of a scatter in one colour over its plot area; everything painted before is wiped.
 * @param {Scatter} scatter
 * @param {Span} rows
 * @param {string} colour
 * @param {number} size of a point in CSS pixels
 */
export function paintRows(scatter, [from, to], colour, size) {
  const { overlay, x, y } = scatter;
  const { focus } = scatter.session;
  overlay.style.cssText = `left:${x.start}px;top:${y.start}px;width:${x.length}px;height:${y.length}px`;
  const context = fitCanvas(overlay, x.length, y.length);
  if (from === to) return;
  const { width, height } = overlay;
  const ratio = window.devicePixelRatio || 1;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const [r, g, b] = rgb(colour);
  const stamp = disc((size * ratio) / 2);
  const inks = stamp.map(([, , alpha]) => ((Math.round(alpha * 217) << 24) | (b << 16) | (g << 8) | r) >>> 0);
  const [xs, ys] = scatter.axes.places;
  // Of places both axes are linear: pixel = place · slope + start.
  const [ax, bx] = linear(x, ratio);
  const [ay, by] = linear(y, ratio);
  for (let row = from; row < to; row += 1) {
    if (!focus.has(row)) continue;
    const left = Math.round(xs[row] * ax + bx);
    const top = Math.round(ys[row] * ay + by);
    for (let i = 0; i < stamp.length; i += 1) {
      const px = left + stamp[i][0];
      const py = top + stamp[i][1];
      if (px < 0 || py < 0 || px >= width || py >= height) continue;
      const at = py * width + px;
      if (pixels[at] >>> 24 < inks[i] >>> 24) pixels[at] = inks[i];
    }
  }
  context.putImageData(image, 0, 0);
}

/** @param {PixelAxis} axis @param {number} ratio of screen to CSS pixels */
function linear(axis, ratio) {
  const zero = axis.pixel(0);
  return [(axis.pixel(1) - zero) * ratio, (zero - axis.start) * ratio];
}

/** Pixels of a disc as [dx, dy, coverage]. @param {number} radius */
function disc(radius) {
  const cells = [];
  const reach = Math.ceil(radius);
  for (let dy = -reach; dy <= reach; dy += 1) {
    for (let dx = -reach; dx <= reach; dx += 1) {
      const coverage = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy)));
      if (coverage > 0) cells.push([dx, dy, coverage]);
    }
  }
  return cells;
}

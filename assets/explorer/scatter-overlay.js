// Points painted straight into pixels: at 50,000 points a restyle of the plot takes a third of a second, this a few
// milliseconds.

import { rgb } from "./theme.js";

/** Paint rows [from, to) of a scatter in one colour over its plot area; everything painted before is wiped. */
export function paintRows(scatter, [from, to], colour, size) {
  const { overlay, x, y } = scatter;
  const { loops, focus } = scatter.session;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(x._length * ratio), Math.round(y._length * ratio)];
  if (overlay.width !== width || overlay.height !== height) Object.assign(overlay, { width, height });
  overlay.style.cssText = `left:${x._offset}px;top:${y._offset}px;width:${x._length}px;height:${y._length}px`;
  const context = overlay.getContext("2d");
  context.clearRect(0, 0, width, height);
  if (from === to) return;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const [r, g, b] = rgb(colour);
  const stamp = disc((size * ratio) / 2);
  const inks = stamp.map(([, , alpha]) => ((Math.round(alpha * 217) << 24) | (b << 16) | (g << 8) | r) >>> 0);
  const [xs, ys] = scatter.shown.map((k) => loops.component(k));
  // Both axes are linear: pixel = value · slope + start.
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

function linear(axis, ratio) {
  const start = axis.d2p(0);
  return [(axis.d2p(1) - start) * ratio, start * ratio];
}

/** Pixels of a disc as [dx, dy, coverage]. */
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

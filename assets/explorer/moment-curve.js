// A moment of a loop: how much of it is heard, and where it stands on the curve of how odd each moment is.

const HEARD_S = 0.5; // as much as was compared (loopscope/analysis/moments.py)
const LEAST_SHOWN = 3; // times typical, at the top of the curve: the oddest moment of an ordinary loop is not

/** What is heard of a moment, within the loop. @param {number} at @param {number} duration in seconds @returns {Span} */
export function around(at, duration) {
  const start = Math.min(Math.max(at - HEARD_S / 2, 0), Math.max(duration - HEARD_S, 0));
  return [start, Math.min(start + HEARD_S, duration)];
}

/**
 * The curve from `top` to the foot of a canvas, on the time axis of the waveform above it, and a line at its peak.
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 * @param {LoopMoments} moments
 * @param {{ width: number, height: number, top: number, duration: number }} place
 */
export function drawCurve(context, theme, { curve, step, at, odd }, { width, height, top, duration }) {
  const scale = width / duration;
  const highest = Math.max(odd, LEAST_SHOWN);
  context.fillStyle = theme.normal;
  for (const [place, value] of curve.entries()) {
    const tall = Math.max(1, (value / highest) * (height - top));
    context.fillRect(place * step * scale, height - tall, step * scale, tall);
  }
  context.fillStyle = theme.flagged;
  context.fillRect(at * scale - 0.75, 0, 1.5, height);
}

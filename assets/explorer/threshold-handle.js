// The handle on the histogram: pulled with the pointer, or moved with the arrow keys as a slider in percentile.

import { debounce, h, sliderNode } from "./dom.js";
import * as format from "./format.js";

const DRAG_PIXELS = 3; // less is a click, and means the bar below
const REST_MS = 350; // without a key press: the threshold rests, and Python hears it
/** @type {Record<string, number>} */
const STEPS = {
  ArrowLeft: -0.1,
  ArrowDown: -0.1,
  ArrowRight: 0.1,
  ArrowUp: 0.1,
  PageDown: -1,
  PageUp: 1,
  Home: -100,
  End: 100,
};

/**
 * @param {Session} session
 * @param {(event: MouseEvent) => number} scoreUnder the score under a pointer event
 * @param {(event: MouseEvent) => void} tapped hears a click that pulled nothing
 */
export function thresholdHandle(session, scoreUnder, tapped) {
  const grip = h("span", { class: "ls-grip" });
  const handle = sliderNode("Threshold", 100, { class: "ls-handle", hidden: true }, grip);
  const rest = () => session.setPercentile(session.percentile, { settled: true });
  const restSoon = debounce(rest, REST_MS);
  let pull = { from: 0, begun: false };
  handle.addEventListener("pointerdown", (event) => {
    pull = { from: event.clientX, begun: false };
    handle.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    event.preventDefault();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    pull.begun ||= Math.abs(event.clientX - pull.from) >= DRAG_PIXELS;
    if (pull.begun) session.setPercentile(session.loops.percentileAt(scoreUnder(event)));
  });
  handle.addEventListener("lostpointercapture", () => pull.begun && rest());
  handle.addEventListener("click", (event) => pull.begun || tapped(event));
  handle.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    event.stopPropagation();
    session.setPercentile(session.percentile + STEPS[event.key]);
    restSoon();
  });
  return handle;
}

/** Percentile, score and count, as assistive technology reads them. @param {Element} handle @param {Session} session */
export function describeHandle(handle, session) {
  const percentile = session.percentile.toFixed(2);
  const said = `percentile ${percentile}, score ${format.score(session.threshold)}, ${session.flagged} loops flagged`;
  handle.setAttribute("aria-valuenow", percentile);
  handle.setAttribute("aria-valuetext", said);
}

// Everything that is taken from Plotly without Plotly's promise: no other file names these fields and classes (but for
// one rule of explorer.css). tests/browser/test_plotly_internals.py fails where an upgrade of Plotly changes them.

/**
 * An axis in pixels of the plot's frame: where it begins and how long it is, and values to pixels and back.
 * @param {any} axis Plotly's own
 * @param {"x" | "y"} letter
 */
function inPixels(axis, letter) {
  const { _offset: start, _length: length } = axis;
  return {
    letter,
    start: /** @type {number} */ (start),
    length: /** @type {number} */ (length),
    end: start + length,
    /** @type {(value: number) => number} */
    pixel: (value) => start + axis.d2p(value),
    /** @type {(pixel: number) => number} */
    value: (pixel) => axis.p2d(pixel - start),
  };
}

/** @param {any} plot drawn by Plotly */
export const xAxis = (plot) => inPixels(plot._fullLayout.xaxis, "x");

/** @param {any} plot drawn by Plotly */
export const yAxis = (plot) => inPixels(plot._fullLayout.yaxis, "y");

/** Traces as they are drawn, with defaults filled in and packed arrays decoded. @param {any} plot @returns {PlotTrace[]} */
export const drawnTraces = (plot) => plot._fullData;

/** Whether an event happened over the plot area, where a click comes only if nothing was dragged. @param {Event} event */
export const overPlotArea = ({ target }) => target instanceof Element && target.closest(".nsewdrag") !== null;

/** The node that lies over the plot area and carries its cursor. @param {Element} plot @returns {HTMLElement | null} */
export const plotArea = (plot) => plot.querySelector(".nsewdrag");

/**
 * The bars of one shown bar trace: position on the x axis and SVG path, null where the bar is empty.
 * @param {Element} plot
 * @param {number} place of the trace among the shown ones
 * @returns {{ at: number, path: (SVGPathElement & { painted?: string }) | null }[]}
 */
export function barsOf(plot, place) {
  const nodes = plot.querySelectorAll(".barlayer .trace.bars")[place]?.querySelectorAll(".point") ?? [];
  return Array.from(nodes, (/** @type {any} */ node) => ({ at: node.__data__.p, path: node.firstElementChild }));
}

// How the user left the views of a project: filters, list, zoom, and the views that were given a name. Kept by the server
// as it is said here, whatever shape an older version of this file gave it: what is not understood is passed over.

import { entriesOf, filtersOf, readFilters, textOf } from "./filter-state.js";
import { lassoOf, maskOf, readLasso } from "./lasso-state.js";

const MOST_NAMED = 100;

/**
 * @typedef {import("./filter-state.js").SavedFilters & { name: string, mode: string }} NamedView
 *
 * @typedef {object} ViewParts
 * @property {number} at when it was said, in milliseconds since 1970; 0 where that is unknown
 * @property {string} mode of the list
 * @property {string | null} top id of the loop on top of the list
 * @property {boolean | undefined} autoplay
 * @property {boolean} learns whether marks move other loops in the list
 * @property {boolean | null} log axis of the histogram
 * @property {number[] | null} axes of the scatter
 * @property {boolean | null} asinh whether they may be asinh axes
 * @property {string} model whose figures were zoomed
 * @property {Record<"histogram" | "scatter", import("./chart.js").Ranges>} zoom
 * @property {number[] | null} ranks that the heatmap shows
 * @property {import("./lasso-state.js").SavedLasso | null} lasso
 * @property {{ at: number, views: NamedView[] }} named
 *
 * @typedef {import("./filter-state.js").SavedFilters & ViewParts} SavedView
 */

/** @param {any} value */
const isPair = (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
/** @param {any} value */
const isCount = (value) => Number.isInteger(value) && value >= 0;
/** @param {any} value */
const timeOf = (value) => (isCount(value) ? value : 0);

/** What is understood of a saved view. @param {any} view @returns {SavedView} */
export function readView(view) {
  const known = Object.fromEntries(entriesOf(view));
  const zoom = Object.fromEntries(entriesOf(known.zoom));
  const rangesOf = (/** @type {any} */ axes) =>
    Object.fromEntries(entriesOf(axes).filter(([axis, range]) => /^[xy]axis$/.test(axis) && isPair(range)));
  return {
    ...readFilters(known),
    at: timeOf(known.at),
    mode: textOf(known.mode),
    top: textOf(known.top) || null,
    autoplay: typeof known.autoplay === "boolean" ? known.autoplay : undefined,
    learns: known.learns !== false,
    log: typeof known.log === "boolean" ? known.log : null,
    axes: isPair(known.axes) && known.axes.every(isCount) ? known.axes : null,
    asinh: typeof known.asinh === "boolean" ? known.asinh : null,
    model: textOf(known.model),
    // Where nothing is said of asinh axes, the zoom is one of linear axes.
    zoom: { histogram: rangesOf(zoom.histogram), scatter: "asinh" in known ? rangesOf(zoom.scatter) : {} },
    ranks: isPair(known.ranks) && known.ranks.every(isCount) && known.ranks[0] < known.ranks[1] ? known.ranks : null,
    lasso: readLasso(known.lasso),
    named: readNamed(known.named),
  };
}

/** When another page asked for the filters of a view, in milliseconds since 1970; 0: none did. @param {unknown} view */
export const askedAt = (view) => timeOf(Object.fromEntries(entriesOf(view)).asked);

/** The views that have a name, in order, each name once. @param {any} named */
function readNamed(named) {
  const { at, views } = Object.fromEntries(entriesOf(named));
  /** @type {Map<string, NamedView>} */
  const found = new Map();
  for (const view of (Array.isArray(views) ? views : []).slice(0, MOST_NAMED)) {
    const known = Object.fromEntries(entriesOf(view));
    const name = textOf(known.name);
    if (name) found.set(name, { ...readFilters(known), name, mode: textOf(known.mode) });
  }
  return { at: timeOf(at), views: [...found.values()] };
}

/** A named view as JSON can hold it. @param {Views} views @param {string} name */
export const namedView = ({ session, filters, ranking }, name) => ({
  name,
  ...filtersOf(session.focus, filters.search.value),
  mode: ranking.mode,
});

/** The part of a version that names the model. @param {string} version */
const modelOf = (version) => version.split("-")[0];

/** What the user set, as JSON can hold it. @param {Views} views @param {SavedView["named"]} named */
export function viewOf({ session, filters, ranking, histogram, scatter, heatmap }, named) {
  const { focus, autoplay, learns, loops } = session;
  return {
    ...filtersOf(focus, filters.search.value),
    mode: ranking.mode,
    top: ranking.topId,
    autoplay,
    learns,
    log: histogram.wanted,
    axes: scatter.axes.wanted,
    asinh: scatter.axes.asinh,
    model: modelOf(session.version),
    zoom: { histogram: histogram.chosenRanges(), scatter: scatter.chosenRanges() },
    ranks: heatmap.zoomed ? heatmap.span : null,
    lasso: focus.lasso && lassoOf(focus.lasso, loops),
    named,
  };
}

/** Bring the views, not drawn yet, to where they were left. @param {Views} views @param {SavedView} saved */
export function restoreView(views, saved) {
  const { session, filters, ranking, histogram, scatter, heatmap } = views;
  filters.restore(saved);
  const lasso = saved.lasso && maskOf(saved.lasso, session.loops);
  if (lasso) session.narrow({ lasso });
  if (lasso) scatter.onLasso(lasso); // Python forgot it
  histogram.wanted = saved.log;
  scatter.axes.wanted = saved.axes ?? scatter.axes.wanted;
  scatter.axes.asinh = saved.asinh;
  if (saved.model === modelOf(session.version)) {
    histogram.restored = saved.zoom.histogram;
    scatter.restored = saved.zoom.scatter;
    if (saved.ranks) heatmap.restore(saved.ranks);
  }
  histogram.adopt();
  scatter.adopt((row) => row);
  ranking.restore(saved.mode, saved.top);
}

// How the user left the views of a project: filters, list, zoom. Kept by the server as it is said here, whatever shape
// an older version of this file gave it: what is not understood is passed over.

import { debounce } from "./dom.js";

const SAVE_AFTER_MS = 800;
const MOST_BYTES = 16000;
const LONGEST_TEXT = 500;

/**
 * @typedef {object} SavedView
 * @property {string} search
 * @property {[string, string][]} categories
 * @property {[string, Span][]} ranges
 * @property {string} mark
 * @property {string} mode of the list
 * @property {string | null} top id of the loop on top of the list
 * @property {boolean | undefined} autoplay
 * @property {boolean | null} log axis of the histogram
 * @property {number[] | null} axes of the scatter
 * @property {string} model whose figures were zoomed
 * @property {Record<"histogram" | "scatter", import("./chart.js").Ranges>} zoom
 * @property {number[] | null} ranks that the heatmap shows
 */

/** @param {any} value @returns {[string, any][]} */
const entriesOf = (value) => (value && typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : []);
/** @param {any} value */
const textOf = (value) => (typeof value === "string" ? value.slice(0, LONGEST_TEXT) : "");
/** @param {any} value */
const isPair = (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
/** @param {any} value */
const isCount = (value) => Number.isInteger(value) && value >= 0;

/** What is understood of a saved view. @param {any} view @returns {SavedView} */
export function readView(view) {
  const known = Object.fromEntries(entriesOf(view));
  const zoom = Object.fromEntries(entriesOf(known.zoom));
  const rangesOf = (/** @type {any} */ axes) =>
    Object.fromEntries(entriesOf(axes).filter(([axis, range]) => /^[xy]axis$/.test(axis) && isPair(range)));
  return {
    search: textOf(known.search),
    categories: entriesOf(known.categories).filter(([, level]) => typeof level === "string"),
    ranges: entriesOf(known.ranges).flatMap(([column, ends]) => {
      const [low, high] = Array.isArray(ends) ? ends : [];
      return Number.isFinite(low) ? [[column, [low, Number.isFinite(high) ? high : Infinity]]] : [];
    }),
    mark: ["none", "keep", "quarantine", "love"].includes(known.mark) ? known.mark : "",
    mode: textOf(known.mode),
    top: textOf(known.top) || null,
    autoplay: typeof known.autoplay === "boolean" ? known.autoplay : undefined,
    log: typeof known.log === "boolean" ? known.log : null,
    axes: isPair(known.axes) && known.axes.every(isCount) ? known.axes : null,
    model: textOf(known.model),
    zoom: { histogram: rangesOf(zoom.histogram), scatter: rangesOf(zoom.scatter) },
    ranks: isPair(known.ranks) && known.ranks.every(isCount) && known.ranks[0] < known.ranks[1] ? known.ranks : null,
  };
}

/** The part of a version that names the model. @param {string} version */
const modelOf = (version) => version.split("-")[0];

/** What the user set, as JSON can hold it. @param {Views} views */
function viewOf({ session, filters, ranking, histogram, scatter, heatmap }) {
  const { focus, autoplay } = session;
  return {
    search: filters.search.value.slice(0, LONGEST_TEXT),
    categories: Object.fromEntries(focus.categories),
    ranges: Object.fromEntries(focus.ranges), // an end that is open becomes null
    mark: focus.mark,
    mode: ranking.mode,
    top: ranking.topId,
    autoplay,
    log: histogram.wanted,
    axes: scatter.wanted,
    model: modelOf(session.version),
    zoom: { histogram: histogram.chosenRanges(), scatter: scatter.chosenRanges() },
    ranks: heatmap.zoomed ? heatmap.span : null,
  };
}

/** Bring the views, not drawn yet, to where they were left. @param {Views} views @param {SavedView} saved */
export function restoreView(views, saved) {
  const { session, filters, ranking, histogram, scatter, heatmap } = views;
  filters.restore(saved.search, (focus) => {
    for (const [column, level] of saved.categories) focus.categories.set(column, level);
    for (const [column, ends] of saved.ranges) focus.ranges.set(column, ends);
    focus.mark = saved.mark;
  });
  histogram.wanted = saved.log;
  scatter.wanted = saved.axes ?? scatter.wanted;
  if (saved.model === modelOf(session.version)) {
    histogram.restored = saved.zoom.histogram;
    scatter.restored = saved.zoom.scatter;
    if (saved.ranks) heatmap.restore(saved.ranks);
  }
  histogram.adopt();
  scatter.adopt((row) => row);
  ranking.restore(saved.mode, saved.top);
}

/** Saves what the user set, once the hand rests or the page goes; nothing without a project. */
export class ViewKeeper {
  /** @param {Views} views @param {() => Addresses} addresses of now @param {string | undefined} project @param {AbortSignal} signal */
  constructor(views, addresses, project, signal) {
    this.views = views;
    this.addresses = addresses;
    this.project = project;
    this.saved = JSON.stringify(viewOf(views));
    const later = debounce(() => this.save(), SAVE_AFTER_MS);
    views.session.on("view focus", later);
    window.addEventListener("pagehide", () => this.save(), { signal });
    signal.addEventListener("abort", later.cancel);
  }

  save() {
    const text = JSON.stringify(viewOf(this.views));
    if (!this.project || text === this.saved || new TextEncoder().encode(text).length > MOST_BYTES) return;
    this.saved = text;
    this.#send(text).catch(() => {
      this.saved = ""; // said again at the next change
    });
  }

  /** @param {string} body */
  async #send(body) {
    const headers = { "Content-Type": "application/json" };
    const { base, token } = this.addresses();
    const { ok } = await fetch(`${base}ls/view/${token}`, { method: "POST", headers, body, keepalive: true });
    if (!ok) this.saved = "";
  }
}

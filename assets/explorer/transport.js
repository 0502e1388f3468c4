// Everything that comes over HTTP: packed arrays, the table of loops, Plotly, style sheets.

import { h } from "./dom.js";

const ARRAYS = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, i4: Int32Array };

/** Addresses of one session's routes. `base` ends with a slash. */
export class Addresses {
  /** @param {string} base @param {string} token @param {string} version */
  constructor(base, token, version) {
    this.base = base;
    this.token = token;
    this.version = version;
  }

  /** @param {string} id */
  audio(id) {
    return `${this.base}ls/audio/${this.token}/${encodeURIComponent(id)}`;
  }

  /** @param {string} name */
  data(name) {
    return `${this.base}ls/data/${this.token}/${encodeURIComponent(this.version)}/${name}`;
  }
}

/** @param {string} url */
async function answer(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response;
}

/** @param {Addresses} addresses @param {string} name */
export const fetchJson = async (addresses, name) => (await answer(addresses.data(name))).json();

/**
 * Named typed arrays out of one packed blob (layout: loopscope/ui/explorer/packing.py). Matrices are flat, row by row.
 * @param {Addresses} addresses
 * @param {string} name
 * @returns {Promise<any>} the arrays by name; which ones is for the caller to know
 */
export async function fetchArrays(addresses, name) {
  const buffer = await (await answer(addresses.data(name))).arrayBuffer();
  const start = 4 + new DataView(buffer).getUint32(0, true);
  /** @type {Record<string, { dtype: keyof typeof ARRAYS, shape: number[], offset: number }>} */
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, start - 4)));
  /** @type {Record<string, Numbers>} */
  const arrays = {};
  for (const [key, { dtype, shape, offset }] of Object.entries(header)) {
    const length = shape.reduce((product, size) => product * size, 1);
    arrays[key] = Object.assign(new ARRAYS[dtype](buffer, start + offset, length), { shape });
  }
  return arrays;
}

/**
 * Put a script or style sheet on the page; resolves when it applies.
 * @param {HTMLScriptElement | HTMLLinkElement} node
 * @param {string} name
 * @returns {Promise<unknown>}
 */
const load = (node, name) =>
  new Promise((resolve, reject) => {
    node.onload = resolve;
    node.onerror = () => reject(new Error(`${name} could not be loaded`));
    document.head.append(node);
  });

/** @type {Promise<unknown> | null} */
let plotly = null;

const LISTING_MS = 5000; // at most this long Plotly waits for a list

/** @type {(value?: unknown) => void} says that the explorer's list is on the page, or will not come */
export let listIsOut = () => {};
const listed = new Promise((resolve) => {
  listIsOut = resolve;
});

/** Plotly, loaded once per page. @param {string} url */
export async function loadPlotly(url) {
  if (!window.Plotly) {
    plotly ??= runPlotly(url);
    await plotly;
  }
  return /** @type {PlotlyLibrary} */ (window.Plotly);
}

/**
 * The first time half a second of the page's time, in which no list could appear: that goes first. Out of the browser's
 * cache it is compiled already, and runs while the loops are on their way.
 * @param {string} url
 */
async function runPlotly(url) {
  const late = new Promise((resolve) => setTimeout(resolve, LISTING_MS));
  if (document.querySelector(".st-key-explorer")) await Promise.race([listed, late, cached(url)]);
  await load(h("script", { src: url }), "plotly.min.js");
}

/** Resolves once the page has a file, where it had not to ask the server for it. @param {string} url */
const cached = (url) =>
  new Promise((resolve) => {
    const hear = (/** @type {PerformanceObserverEntryList} */ heard, /** @type {PerformanceObserver} */ observer) => {
      const [entry] = heard.getEntriesByName(url);
      if (!(entry instanceof PerformanceResourceTiming)) return;
      observer.disconnect();
      if (entry.transferSize === 0) resolve(entry);
    };
    new PerformanceObserver(hear).observe({ type: "resource", buffered: true });
  });

/** @type {Map<string, Promise<unknown>>} style sheets of the page, by address */
const sheets = new Map();

/**
 * Style sheets, each added once per page, in this order; resolves when all apply.
 * @param {string} folder its address
 * @param {string[]} names
 */
export function loadStyles(folder, ...names) {
  for (const url of names.map((name) => `${folder}/${name}.css`)) if (!sheets.has(url)) sheets.set(url, loadSheet(url));
  return Promise.all(names.map((name) => sheets.get(`${folder}/${name}.css`)));
}

/** A style sheet; one that could not be fetched is asked for again the next time. @param {string} url */
function loadSheet(url) {
  const node = h("link", { rel: "stylesheet", href: url });
  return load(node, "the style sheet").catch((error) => {
    sheets.delete(url);
    node.remove();
    throw error;
  });
}

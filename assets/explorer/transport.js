// Everything that comes over HTTP: packed arrays, the table of loops, Plotly, style sheets.

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

/** @type {Promise<PlotlyLibrary> | null} */
let plotly = null;

/** Plotly, loaded once per page. @param {string} url */
export function loadPlotly(url) {
  plotly ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly);
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve(/** @type {PlotlyLibrary} */ (window.Plotly));
    script.onerror = () => reject(new Error("plotly.min.js could not be loaded"));
    document.head.append(script);
  });
  return plotly;
}

/** A style sheet, added once per page; resolves when it applies. @param {string} url @returns {Promise<unknown>} */
export function loadStyles(url) {
  const present = document.querySelector(`link[href="${url}"]`);
  if (present) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: url });
    link.onload = resolve;
    link.onerror = () => reject(new Error("the style sheet could not be loaded"));
    document.head.append(link);
  });
}

// Everything that comes over HTTP: packed arrays, the table of loops, Plotly, style sheets.

const ARRAYS = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, i4: Int32Array };

/** Addresses of one session's routes. `base` ends with a slash. */
export class Addresses {
  constructor(base, token, version) {
    Object.assign(this, { base, token, version });
  }

  audio(id) {
    return `${this.base}ls/audio/${this.token}/${encodeURIComponent(id)}`;
  }

  data(name) {
    return `${this.base}ls/data/${this.token}/${encodeURIComponent(this.version)}/${name}`;
  }
}

async function answer(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response;
}

export const fetchJson = async (addresses, name) => (await answer(addresses.data(name))).json();

/** Named typed arrays out of one packed blob (layout: loopscope/ui/packing.py). Matrices are flat, row by row. */
export async function fetchArrays(addresses, name) {
  const buffer = await (await answer(addresses.data(name))).arrayBuffer();
  const start = 4 + new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, start - 4)));
  const arrays = {};
  for (const [key, { dtype, shape, offset }] of Object.entries(header)) {
    const length = shape.reduce((product, size) => product * size, 1);
    arrays[key] = Object.assign(new ARRAYS[dtype](buffer, start + offset, length), { shape });
  }
  return arrays;
}

let plotly = null;

/** Plotly, loaded once per page. */
export function loadPlotly(url) {
  plotly ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly);
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly.min.js could not be loaded"));
    document.head.append(script);
  });
  return plotly;
}

/** A style sheet, added once per page; resolves when it applies. */
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

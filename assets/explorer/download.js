// Figures as files. PNG and SVG come from Plotly; the HTML holds data, layout and Plotly itself and needs no network.

import { h, menuButton } from "./dom.js";

/** The menu of every figure. @param {string} label @param {(format: FileFormat) => unknown} save */
export function downloadMenu(label, save) {
  /** @type {FileFormat[]} */
  const formats = ["png", "svg", "html"];
  return menuButton(
    "download",
    label,
    formats.map((format) => [`Download as ${format.toUpperCase()}`, () => save(format)]),
  );
}

/**
 * Save a figure under a name without ending; PNG and SVG in the size of `frame`.
 * @param {PlotlyLibrary} Plotly
 * @param {PlotFigure} figure
 * @param {{ format: FileFormat, filename: string, frame: Element }} file
 */
export async function saveFigure(Plotly, figure, { format, filename, frame }) {
  const { width, height } = frame.getBoundingClientRect();
  if (format === "html") await savePage(figure, filename);
  else await Plotly.downloadImage(figure, { format, width, height, scale: 2, filename });
}

/** @param {PlotFigure} figure @param {string} filename */
async function savePage({ data, layout }, filename) {
  const script = /** @type {HTMLScriptElement} */ (document.querySelector('script[src*="plotly.min.js"]'));
  const plotly = await (await fetch(script.src)).text();
  const plain = (/** @type {string} */ _, /** @type {any} */ value) =>
    ArrayBuffer.isView(value) ? Array.from(/** @type {Numbers} */ (value)) : value;
  const figure = JSON.stringify([data, { ...layout, autosize: true, width: undefined, height: undefined }], plain);
  const page = `<!doctype html><meta charset="utf-8"><title>${filename}</title><style>html,body,#figure{height:100%;margin:0}</style>
<div id="figure"></div><script>${plotly}</script><script>Plotly.newPlot("figure", ...${figure.replaceAll("<", "\\u003c")}, { responsive: true });</script>`;
  const url = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  h("a", { href: url, download: `${filename}.html` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

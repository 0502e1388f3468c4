// Figures as files. PNG and SVG come from Plotly; the HTML holds data, layout and Plotly itself and needs no network.

import { h, menuButton } from "./dom.js";

/** The menu of every figure; `save(format)` gets "png", "svg" or "html". */
export function downloadMenu(label, save) {
  const choice = (format) => [`Download as ${format}`, () => save(format.toLowerCase())];
  return menuButton("download", label, ["PNG", "SVG", "HTML"].map(choice));
}

/** Save {data, layout} under a name without ending; PNG and SVG in the size of `frame`. */
export async function saveFigure(Plotly, figure, { format, filename, frame }) {
  const { width, height } = frame.getBoundingClientRect();
  if (format === "html") await savePage(figure, filename);
  else await Plotly.downloadImage(figure, { format, width, height, scale: 2, filename });
}

async function savePage({ data, layout }, filename) {
  const source = document.querySelector('script[src*="plotly.min.js"]').src;
  const plotly = await (await fetch(source)).text();
  const plain = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
  const figure = JSON.stringify([data, { ...layout, autosize: true, width: undefined, height: undefined }], plain);
  const page = `<!doctype html><meta charset="utf-8"><title>${filename}</title><style>html,body,#figure{height:100%;margin:0}</style>
<div id="figure"></div><script>${plotly}</script><script>Plotly.newPlot("figure", ...${figure.replaceAll("<", "\\u003c")}, { responsive: true });</script>`;
  const url = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  h("a", { href: url, download: `${filename}.html` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

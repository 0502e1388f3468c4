// A figure as one HTML file that needs no network: data, layout and Plotly itself.

import { h } from "./dom.js";

export async function downloadPage({ data, layout }, filename) {
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

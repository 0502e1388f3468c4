// Links that save a file the server makes when it is asked.

import { h, icon } from "./dom.js";
import { applyTheme } from "./theme.js";
import { loadStyles } from "./transport.js";

/**
 * Show or update; returns what Streamlit is to call when the component leaves the page.
 * @param {Component<DownloadsData>} component
 * @param {string} base
 */
export function mount({ data, parentElement: parent }, base) {
  /** @type {HTMLElement} */
  const row = parent.querySelector(".ls-downloads") ?? parent.appendChild(h("div", { class: "ls-root ls-downloads" }));
  loadStyles(base + data.assets, "explorer");
  applyTheme(row);
  const said = JSON.stringify(data.links);
  if (row.dataset.links !== said) {
    row.dataset.links = said;
    row.replaceChildren(...data.links.map((link) => save(link, base)));
  }
  return () => row.remove();
}

/** @param {DownloadLink} link @param {string} base */
const save = ({ label, name, address }, base) =>
  h("a", { class: "ls-download", href: base + address, download: name }, icon("download"), label);

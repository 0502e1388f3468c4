// Links that save a file the server makes when it is asked.

import { h, icon } from "./dom.js";
import { applyTheme, readTheme } from "./theme.js";
import { loadStyles } from "./transport.js";

/** @type {WeakMap<Element, HTMLElement>} row of links by parent element */
const rows = new WeakMap();

/**
 * Show or update; returns what Streamlit is to call when the component leaves the page.
 * @param {Component<DownloadsData>} component
 * @param {string} base
 */
export function mount({ data, parentElement: parent }, base) {
  const row = rows.get(parent) ?? h("div", { class: "ls-root ls-downloads" });
  rows.set(parent, row);
  if (row.parentElement !== parent) parent.append(row);
  loadStyles(`${base}${data.assets}/explorer.css`);
  applyTheme(row, readTheme(row));
  const said = JSON.stringify(data.links);
  if (row.dataset.links !== said) {
    row.dataset.links = said;
    row.replaceChildren(...data.links.map((link) => save(link, base)));
  }
  return () => {
    rows.delete(parent);
    row.remove();
  };
}

/** @param {DownloadLink} link @param {string} base */
const save = ({ label, name, address }, base) =>
  h("a", { class: "ls-download", href: base + address, download: name }, icon("download"), label);

// Links that save a file the server makes when it is asked.

import { h, icon } from "./dom.js";
import { applyTheme, readTheme } from "./theme.js";
import { loadStyles } from "./transport.js";

const rows = new WeakMap(); // parent element → row of links

/** Show or update; returns what Streamlit is to call when the component leaves the page. */
export function mount({ data, parentElement: parent }, base) {
  let row = rows.get(parent);
  if (!row) {
    rows.set(parent, (row = h("div", { class: "ls-root ls-downloads" })));
    parent.append(row);
  }
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

const save = ({ label, name, address }, base) =>
  h("a", { class: "ls-download", href: base + address, download: name }, icon("download"), label);

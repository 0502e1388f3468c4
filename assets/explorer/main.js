// Entry point, called by Streamlit at the first show, at every rerun and at every change of theme.
//
// Streamlit may take a component off the page and put it back a moment later, when two reruns follow each other closely.
// Whoever listens must not notice: an explorer that left keeps its DOM and its sound for a moment and moves into the new
// parent element.

import { Explorer } from "./explorer.js";
import { h } from "./dom.js";
import { Addresses, loadStyles } from "./transport.js";

const SILENT_AFTER_MS = 600; // gone for longer than a rerun takes: the page was left, and the sound ends
const FORGOTTEN_AFTER_MS = 5000;

const explorers = new Map(); // key → explorer

/** Show or update; returns what Streamlit is to call when the component leaves the page. */
export function mount(component, base) {
  const { data, parentElement: parent } = component;
  let explorer = explorers.get(data.key);
  if (explorer?.version !== data.version) {
    explorer?.close();
    explorer = create(component, base);
  } else explorer.update(component);
  arrive(explorer, parent);
  return () => leave(explorer, parent, data.key);
}

function create(component, base) {
  const { data } = component;
  performance.mark("loopscope:mounted");
  const root = h("div", { class: "ls-root" }, h("p", { class: "ls-waiting" }, "Fetching the loops …"));
  const explorer = new Explorer(root, component, new Addresses(base, data.token, data.version));
  explorers.set(data.key, explorer);
  window.__loopscope = { explorer, audio: () => explorer.engine.state() }; // for tests and for the curious
  const styles = loadStyles(`${base}${data.assets}/explorer.css`);
  explorer.open(styles).catch((error) => {
    console.error(error);
    root.replaceChildren(
      h(
        "p",
        { class: "ls-failed", role: "alert" },
        `The explorer could not be shown: ${error.message}. Reload the page to try again.`,
      ),
    );
  });
  return explorer;
}

function arrive(explorer, parent) {
  if (explorer.root.parentElement === parent) return;
  explorer.leaving?.forEach(clearTimeout);
  explorer.leaving = null;
  parent.append(explorer.root);
  explorer.returned();
}

function leave(explorer, parent, key) {
  if (explorer.root.parentElement !== parent) return; // it lives elsewhere already
  explorer.root.remove();
  const forget = () => {
    explorer.close();
    if (explorers.get(key) === explorer) explorers.delete(key);
    if (window.__loopscope?.explorer === explorer) delete window.__loopscope;
  };
  explorer.leaving = [
    setTimeout(() => explorer.engine.stop(), SILENT_AFTER_MS),
    setTimeout(forget, FORGOTTEN_AFTER_MS),
  ];
}

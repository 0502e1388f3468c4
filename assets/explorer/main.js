// Entry point, called by Streamlit at the first show, at every rerun and at every change of theme.
//
// Streamlit may take a component off the page and put it back a moment later, when two reruns follow each other closely.
// Whoever listens must not notice: an explorer that left keeps its DOM and its sound for a moment and moves into the new
// parent element.

import { failure, h } from "./dom.js";
import { Explorer } from "./explorer.js";
import { outbox } from "./outbox.js";
import { Addresses, loadStyles } from "./transport.js";
import { askedAt } from "./view-state.js";

const SILENT_AFTER_MS = 600; // gone for longer than a rerun takes: the page was left, and the sound ends
const FORGOTTEN_AFTER_MS = 5000;
const STYLES = ["explorer", "layout", "figures", "list", "filters", "player", "status"];

/** @type {Map<string, Explorer>} by key */
const explorers = new Map();

/**
 * Show or update; returns what Streamlit is to call when the component leaves the page.
 * @param {Component<ExplorerData>} component
 * @param {string} base
 */
export function mount(component, base) {
  const { data, parentElement: parent } = component;
  outbox().use(base, data.token);
  const known = explorers.get(data.key);
  const same = known?.suits(data) && !asksAnew(known, data) ? known : null;
  if (same) same.update(component);
  else known?.close();
  const explorer = same ?? create(component, base);
  arrive(explorer, parent);
  return () => leave(explorer, parent, data.key);
}

/** Another page asked for filters of its own meanwhile. @param {Explorer} explorer @param {ExplorerData} data */
function asksAnew({ root, asked }, { view }) {
  const now = askedAt(view);
  return !root.parentElement && now > 0 && now !== asked;
}

/** @param {Component<ExplorerData>} component @param {string} base */
function create(component, base) {
  const { data } = component;
  performance.mark("loopscope:mounted");
  const root = h("div", { class: "ls-root ls-explorer" }, h("p", { class: "ls-waiting" }, "Fetching the loops …"));
  const explorer = new Explorer(root, component, new Addresses(base, data.token, data.version));
  explorers.set(data.key, explorer);
  window.__loopscope = { explorer, audio: () => explorer.engine.state() }; // for tests and for the curious
  const styles = loadStyles(base + data.assets, ...STYLES);
  explorer.open(styles).catch((error) => {
    explorer.failed = true;
    console.error(error);
    root.replaceChildren(failure("The explorer", error));
  });
  return explorer;
}

/** @param {Explorer} explorer @param {HTMLElement} parent */
function arrive(explorer, parent) {
  if (explorer.root.parentElement === parent) return;
  for (const timer of explorer.leaving) clearTimeout(timer);
  explorer.leaving = [];
  parent.append(explorer.root);
  explorer.views?.returned();
}

/** @param {Explorer} explorer @param {HTMLElement} parent @param {string} key */
function leave(explorer, parent, key) {
  if (explorer.root.parentElement !== parent) return; // it lives elsewhere already
  explorer.views?.keeper.save();
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

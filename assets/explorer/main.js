// Entry point, called by Streamlit at the first show, at every rerun and at every change of theme.

import { Explorer } from "./explorer.js";
import { h } from "./dom.js";
import { Addresses, loadStyles } from "./transport.js";

const explorers = new WeakMap(); // parent element → explorer

/** Show or update; returns what Streamlit is to call when the component leaves the page. */
export async function mount(component, base) {
  const { data, parentElement: parent } = component;
  const present = explorers.get(parent);
  if (present?.version === data.version) present.update(component);
  else {
    present?.close();
    await show(component, base, present?.root);
  }
  return () => {
    explorers.get(parent)?.close();
    explorers.delete(parent);
    delete window.__loopscope;
  };
}

async function show(component, base, old) {
  const { data, parentElement: parent } = component;
  const root = old ?? parent.appendChild(h("div", { class: "ls-root" }));
  for (const name of ["ready", "complete"]) delete root.dataset[name];
  const explorer = new Explorer(root, component, new Addresses(base, data.token, data.version));
  explorers.set(parent, explorer);
  window.__loopscope = { explorer, audio: () => explorer.engine.state() }; // for tests and for the curious
  try {
    await loadStyles(`${base}${data.assets}/explorer.css`);
    root.append(h("p", { class: "ls-waiting" }, "Fetching the loops …"));
    await explorer.open();
  } catch (error) {
    root.replaceChildren(h("p", { class: "ls-failed", role: "alert" }, `The explorer could not be shown: ${error.message}. Reload the page to try again.`));
    throw error;
  }
}

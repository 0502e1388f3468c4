// The address names the project and the selected loop, so that it can be bookmarked. Streamlit hears nothing of it: its page listens to
// "popstate", which replacing the state does not cause, and sends the address along with the next run that there is.

import { debounce } from "./dom.js";

const REST_MS = 300; // browsers allow some hundred changes in half a minute, and an arrow key may be held

/** @type {() => Session | null} the explorer's on this page */
let onThisPage = () => null;

/** Keep `loop` in the address until `signal` ends it. @param {Session} session @param {Element} root @param {AbortSignal} signal */
export function keepInAddress(session, root, signal) {
  const write = debounce(() => root.isConnected && !signal.aborted && name(session.selectedId), REST_MS);
  onThisPage = () => (root.isConnected && !signal.aborted ? session : null);
  session.on("selection", write);
  if (session.selected >= 0) write();
}

/** @param {string | null} id */
const name = (id) => replace({ loop: id });

/**
 * Keep project and loop in the address: links between pages name those that the page was loaded with, or none, and the
 * back button those of then.
 * @param {string} project "" where there is none
 * @param {string | null} loop selected, for a page without the explorer
 */
export function nameProject(project, loop) {
  if (!project) return;
  const session = onThisPage();
  replace({ project, loop: session ? session.selectedId : loop });
}

/**
 * Where the back button leads to another project, load the page anew, as a bookmark would. Until `signal` ends it.
 * @param {() => string} project that is shown
 * @param {AbortSignal} signal
 */
export function followBack(project, signal) {
  const back = () => {
    const named = new URL(location.href).searchParams.get("project");
    if (named && project() && named !== project()) location.reload();
  };
  addEventListener("popstate", back, { signal });
}

/** @param {Record<string, string | null>} changes by parameter; null takes it away */
function replace(changes) {
  const address = new URL(location.href);
  for (const [parameter, value] of Object.entries(changes)) {
    if (value === null) address.searchParams.delete(parameter);
    else address.searchParams.set(parameter, value);
  }
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}

// The address names the project and the selected loop, so that it can be bookmarked. Streamlit hears nothing of it: its page listens to
// "popstate", which replacing the state does not cause, and sends the address along with the next run that there is.

import { debounce } from "./dom.js";

const REST_MS = 300; // browsers allow some hundred changes in half a minute, and an arrow key may be held

/** Keep `loop` in the address until `signal` ends it. @param {Session} session @param {Element} root @param {AbortSignal} signal */
export function keepInAddress(session, root, signal) {
  const write = debounce(() => root.isConnected && !signal.aborted && name(session.selectedId), REST_MS);
  session.on("selection", write);
  if (session.selected >= 0) write();
}

/** @param {string | null} id */
const name = (id) => replace({ loop: id });

/**
 * Keep the project in the address: links between pages leave it out. Where the back button leads to another project,
 * the page is loaded anew, as a bookmark would.
 * @param {string} project "" where there is none
 * @param {string | null} loop selected, for a page without the explorer
 */
export function nameProject(project, loop) {
  const { searchParams } = new URL(location.href);
  if (!project || searchParams.get("project") === project) return;
  replace({ project, loop: searchParams.get("loop") ?? loop });
}

/** Listen for the back button until `signal` ends it. @param {() => string} project that is shown @param {AbortSignal} signal */
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

// The address names the selected loop, so that it can be bookmarked. Streamlit hears nothing of it: its page listens to
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
function name(id) {
  const address = new URL(location.href);
  if (id === null) address.searchParams.delete("loop");
  else address.searchParams.set("loop", id);
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}

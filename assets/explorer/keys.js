// The keyboard: audition and triage without a mouse.

import { button, h } from "./dom.js";

const KEYS = [
  ["← →", "previous, next loop in the list"],
  ["↑ ↓", "previous, next most similar loop"],
  ["Space", "stop or replay"],
  ["B", "next loop at the border, nearest to the threshold first"],
  ["K", "keep"],
  ["Q", "quarantine"],
  ["L", "love"],
  ["/", "search names"],
  ["Esc", "clear the filters"],
  ["?", "this help"],
];

const REPEAT_MS = 90; // a held key moves on this often: fast enough to skim, slow enough for each loop to begin

/** Listen on the page while the explorer is shown; returns a function that stops listening. @param {Element} root @param {Actions} actions */
export function listen(root, actions) {
  /** @type {Record<string, () => void>} */
  const table = {
    ArrowLeft: () => actions.step(-1),
    ArrowRight: () => actions.step(1),
    ArrowUp: () => actions.similar(-1),
    ArrowDown: () => actions.similar(1),
    " ": () => actions.toggle(),
    b: () => actions.border(),
    k: () => actions.mark("keep"),
    q: () => actions.mark("quarantine"),
    l: () => actions.mark("love"),
    "/": () => actions.search(),
    Escape: () => actions.clear(),
    "?": () => actions.help(),
  };
  let last = 0;
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!belongsHere(event, root)) return;
    const action = table[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    if (event.repeat && event.timeStamp - last < REPEAT_MS) return;
    last = event.timeStamp;
    action();
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

/**
 * Keys are ours inside the explorer and where only the page around it has the focus; never where a control needs them.
 * @param {KeyboardEvent} event
 * @param {Element} root
 */
function belongsHere(event, root) {
  const { target, key } = event;
  if (!(target instanceof Element)) return false;
  if (!target.contains(root) && !root.contains(target)) return false;
  if (target.closest("dialog[open]")) return false;
  if (target.matches("select, textarea, input:not([type=checkbox]):not([type=range])"))
    return key === "Escape" && target.matches("[type=search]");
  if (target.matches("input[type=range], [role=slider]")) return !key.startsWith("Arrow");
  if (target.matches("button, input[type=checkbox]")) return key !== " ";
  return true;
}

/** The help dialog; `.showModal()` opens it. */
export function helpDialog() {
  const close = button("Close", { autofocus: true });
  const caps = (/** @type {string} */ key) => key.split(" ").map((part) => h("kbd", {}, part));
  const rows = KEYS.map(([key, meaning]) => [h("dt", {}, caps(key)), h("dd", {}, meaning)]);
  const dialog = h(
    "dialog",
    { class: "ls-help", "aria-label": "Keys of the explorer" },
    h("h3", {}, "Keys"),
    h("dl", {}, rows),
    close,
  );
  close.addEventListener("click", () => dialog.close());
  return dialog;
}

// The keyboard: audition and triage without a mouse.

import { button, h } from "./dom.js";

/** @type {[string, string, Record<string, (actions: Actions) => void>][]} what the help says, and what each `event.key` does */
const KEYS = [
  ["← →", "previous, next loop in the list", { ArrowLeft: (to) => to.step(-1), ArrowRight: (to) => to.step(1) }],
  ["↑ ↓", "previous, next most similar loop", { ArrowUp: (to) => to.similar(-1), ArrowDown: (to) => to.similar(1) }],
  ["Space", "stop or replay", { " ": (to) => to.toggle() }],
  ["B", "next loop at the border, nearest to the threshold first", { b: (to) => to.border() }],
  ["K", "keep", { k: (to) => to.mark("keep") }],
  ["Q", "quarantine", { q: (to) => to.mark("quarantine") }],
  ["L", "love", { l: (to) => to.mark("love") }],
  ["/", "search names", { "/": (to) => to.search() }],
  ["Esc", "clear the filters", { Escape: (to) => to.clear() }],
  ["?", "this help", { "?": (to) => to.help() }],
];

const REPEAT_MS = 90; // a held key moves on this often: fast enough to skim, slow enough for each loop to begin

/** Listen on the page until `signal` ends it. @param {Element} root @param {Actions} actions @param {AbortSignal} signal */
export function listen(root, actions, signal) {
  const table = Object.assign({}, ...KEYS.map(([, , does]) => does));
  let last = 0;
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!belongsHere(event, root)) return;
    const action = table[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    if (event.repeat && event.timeStamp - last < REPEAT_MS) return;
    last = event.timeStamp;
    action(actions);
  };
  document.addEventListener("keydown", onKey, { signal });
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
  const caps = (/** @type {string} */ key) => key.split(" ").map((part) => h("kbd", {}, part));
  const rows = KEYS.map(([key, meaning]) => [h("dt", {}, caps(key)), h("dd", {}, meaning)]);
  return h(
    "dialog",
    { class: "ls-help", "aria-label": "Keys of the explorer" },
    h("h3", {}, "Keys"),
    h("dl", {}, rows),
    button("Close", { autofocus: true, onclick: ({ target }) => target.closest("dialog").close() }),
  );
}

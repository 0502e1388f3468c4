// The keyboard: audition and triage without a mouse.

import { button, h } from "./dom.js";

const SEEK = 1 / 8; // of the loop

/** @type {[string, string, Record<string, (actions: Actions) => void>][]} what the help says, and what each key does */
const KEYS = [
  ["↑ ↓", "previous, next loop in the list", { ArrowUp: (to) => to.step(-1), ArrowDown: (to) => to.step(1) }],
  ["← →", "previous, next most similar loop", { ArrowLeft: (to) => to.similar(-1), ArrowRight: (to) => to.similar(1) }],
  [
    "Shift ← →",
    "jump back, on within the loop that plays",
    { "Shift+ArrowLeft": (to) => to.seek(-SEEK), "Shift+ArrowRight": (to) => to.seek(SEEK) },
  ],
  ["Enter", "play from the start", { Enter: (to) => to.replay() }],
  ["Space", "stop or play", { " ": (to) => to.toggle() }],
  ["H", "loop half a second around the oddest moment; again: the whole loop", { h: (to) => to.here() }],
  ["Home End", "first, last loop in the list", { Home: (to) => to.end(-1), End: (to) => to.end(1) }],
  ["PgUp PgDn", "a screenful up, down the list", { PageUp: (to) => to.page(-1), PageDown: (to) => to.page(1) }],
  ["B", "next loop at the border, nearest to the threshold first", { b: (to) => to.border() }],
  ["K", "keep", { k: (to) => to.mark("keep") }],
  ["Q", "quarantine", { q: (to) => to.mark("quarantine") }],
  ["L", "love", { l: (to) => to.mark("love") }],
  ["/", "search names; Enter or ↓ plays the first that is found", { "/": (to) => to.search() }],
  ["Esc", "leave the search; again: clear the filters", { Escape: (to) => to.clear() }],
  ["?", "this help", { "?": (to) => to.help() }],
];
/** @type {Record<string, (actions: Actions) => void>} while the search words are typed */
const SEARCH_KEYS = { Enter: (to) => to.hit(), ArrowDown: (to) => to.hit(), Escape: (to) => to.leave() };

const REPEAT_MS = 90; // a held key moves on this often: fast enough to skim, slow enough for each loop to begin

/** Listen on the page until `signal` ends it. @param {Element} root @param {Actions} actions @param {AbortSignal} signal */
export function listen(root, actions, signal) {
  const table = Object.assign({}, ...KEYS.map(([, , does]) => does));
  let last = 0;
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    const typing = event.target instanceof Element && event.target.matches("[type=search]");
    const action = belongsHere(event, root) && (typing ? SEARCH_KEYS : table)[nameOf(event)];
    if (!action) return;
    event.preventDefault();
    if (event.repeat && event.timeStamp - last < REPEAT_MS) return;
    last = event.timeStamp;
    action(actions);
    if (!event.repeat) actions.used();
  };
  document.addEventListener("keydown", onKey, { signal });
}

/** As the tables name it. @param {KeyboardEvent} event */
function nameOf({ key, shiftKey }) {
  if (key.length === 1) return key.toLowerCase();
  return shiftKey ? `Shift+${key}` : key;
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
  if (target.matches("[type=search]")) return root.contains(target);
  if (target.matches("select, textarea, input:not([type=checkbox]):not([type=range])")) return false;
  if (target.matches("input[type=range], [role=slider]")) return !/^(Arrow|Page|Home|End)/.test(key);
  if (target.matches("button, summary, a, input[type=checkbox]")) return key !== " " && key !== "Enter";
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

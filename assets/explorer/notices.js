// What the page says by itself, above everything: notices that leave again, and one banner that stays until its cause
// has gone. Neither takes the focus or a click, and neither moves what is below it.

import { h } from "./dom.js";

const SHOWN_MS = 6000;

/** A notice at the top right, read out when there is time. @param {string} text */
export function notify(text) {
  const notice = h("p", { class: "ls-notice" }, text);
  region("ls-notices").append(notice);
  setTimeout(() => notice.remove(), SHOWN_MS);
}

/** The banner's text, "" for none. @param {string} text */
export function setBanner(text) {
  const banner = region("ls-banner");
  if (banner.textContent !== text) banner.textContent = text;
}

const STREAMLIT = "[role=dialog]";
/** @type {HTMLElement | null} */
let focused = null;
/** @type {MutationObserver | null} */
let watching = null;

/** While the connection is lost: Streamlit's dialog about it would cover loops that can still be heard and marked. */
export function suppressStreamlitsDialog() {
  watching ??= new MutationObserver(closeStreamlits);
  document.addEventListener("focusin", remember, true);
  watching.observe(document.body, { childList: true, subtree: true });
  closeStreamlits();
}

/** Connected again: nothing of Streamlit's is touched. */
export function allowStreamlitsDialog() {
  document.removeEventListener("focusin", remember, true);
  watching?.disconnect();
}

/** @param {FocusEvent} event */
function remember({ target }) {
  if (target instanceof HTMLElement && !target.closest(STREAMLIT)) focused = target;
}

function closeStreamlits() {
  for (const dialog of document.querySelectorAll(STREAMLIT)) {
    if (!dialog.textContent?.trim().startsWith("Connection error")) continue;
    const close = dialog.querySelector("button[aria-label=Close]");
    if (!(close instanceof HTMLElement)) continue;
    close.click();
    requestAnimationFrame(() => focused?.isConnected && focused.focus({ preventScroll: true }));
  }
}

/** A live region of the page, in its colours; it must be there before it says something. @param {string} name */
export function region(name) {
  const known = document.querySelector(`.${name}`);
  const element =
    known instanceof HTMLElement ? known : h("div", { class: name, role: "status", "aria-live": "polite" });
  if (!known) document.body.append(element);
  const app = getComputedStyle(document.querySelector("[data-testid=stApp]") ?? document.body);
  for (const [variable, value] of [
    ["--ls-page", app.backgroundColor],
    ["--ls-ink", app.color],
    ["--ls-font", app.fontFamily],
  ])
    element.style.setProperty(variable, value);
  return element;
}

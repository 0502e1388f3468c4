// Where the explorer's parts stand. They share one grid, the desk, with the panel "Why?", which is Streamlit's own: the
// elements between the desk and the explorer's parts have no boxes, so that layout.css can place all of them by the room
// there is. Where little room is, tabs say whether pictures or "Why?" are to be seen.

import { button, h } from "./dom.js";

const DESK = "[class*='st-key-ls-desk']";
const PAGE = "[data-testid='stMainBlockContainer']";
const FOOT_PX = 12;
/** @type {[string, string][]} */
const PANES = [
  ["pictures", "Pictures"],
  ["why", "Why?"],
];

export class Desk {
  /** @param {HTMLElement} root @param {AbortSignal} signal */
  constructor(root, signal) {
    this.root = root;
    this.tabs = PANES.map(([pane, label]) => button(label, { role: "tab", onclick: () => this.show(pane) }));
    this.element = h("div", { class: "ls-panes", role: "tablist", "aria-label": "Beside the list" }, this.tabs);
    this.element.addEventListener("keydown", (event) => this.#turn(event));
    this.pane = PANES[0][0];
    this.desk = root;
    this.resizing = new ResizeObserver(() => this.#measure());
    signal.addEventListener("abort", () => this.resizing.disconnect());
    this.arrive();
    this.show(this.pane);
  }

  /** The explorer has come to its place on the page. */
  arrive() {
    const { root } = this;
    this.desk = /** @type {HTMLElement} */ (root.closest(DESK) ?? root);
    for (let node = root; node !== this.desk; node = /** @type {HTMLElement} */ (node.parentElement)) unbox(node);
    this.desk.dataset.lsDesk = this.pane;
    if (this.desk.parentElement) this.desk.parentElement.dataset.lsStage = "";
    this.resizing.disconnect();
    for (const node of [document.querySelector(PAGE), document.documentElement]) if (node) this.resizing.observe(node);
    this.#measure();
  }

  /** Which of the two is seen where there is no room for both. @param {string} pane */
  show(pane) {
    this.pane = pane;
    this.desk.dataset.lsDesk = pane;
    for (const [i, tab] of this.tabs.entries()) {
      tab.ariaSelected = String(PANES[i][0] === pane);
      tab.tabIndex = PANES[i][0] === pane ? 0 : -1;
    }
  }

  /** @param {KeyboardEvent} event */
  #turn(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    const other = this.pane === PANES[0][0] ? 1 : 0;
    this.show(PANES[other][0]);
    this.tabs[other].focus();
  }

  /** How far down the page the desk begins: what is left of the window below that is its own. */
  #measure() {
    if (!this.root.isConnected) return;
    const scrolled = this.desk.closest("[data-testid='stMain']")?.scrollTop ?? 0;
    const top = `${Math.round(this.desk.getBoundingClientRect().top + scrolled + FOOT_PX)}px`;
    if (this.desk.style.getPropertyValue("--ls-top") !== top) this.desk.style.setProperty("--ls-top", top);
  }
}

/** Let an element's children stand in the desk's grid; what Streamlit put beside it (nothing to be seen) takes no row. @param {HTMLElement} element */
function unbox(element) {
  element.style.display = "contents";
  for (const other of element.parentElement?.children ?? [])
    if (other instanceof HTMLElement && other !== element) other.style.gridArea = "player";
}

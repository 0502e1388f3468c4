// The keys in one line, above the list, for whoever has not used them yet.

import { h, iconButton } from "./dom.js";
import { recall, remember } from "./preferences.js";

const ENOUGH = 5; // keys used
const PREFERENCE = "keysUsed";
const KEYS = [
  ["↑↓", "loops"],
  ["←→", "similar"],
  ["Space", "stop"],
  ["H", "oddest"],
  ["/", "search"],
  ["?", "keys"],
];

export class KeyHint {
  constructor() {
    this.count = recall(PREFERENCE, 0);
    const close = () => this.#learnt(ENOUGH);
    this.element = h(
      "p",
      { class: "ls-hint", hidden: this.count >= ENOUGH },
      h(
        "span",
        {},
        KEYS.map(([key, does]) => [h("span", { class: "ls-hint-key" }, h("kbd", {}, key), ` ${does}`), " "]),
      ),
      iconButton("close", "Close the hint", close),
    );
  }

  /** A key was used. */
  used() {
    if (this.count < ENOUGH) this.#learnt(this.count + 1);
  }

  /** @param {number} count of keys used */
  #learnt(count) {
    this.count = remember(PREFERENCE, count);
    this.element.hidden = count >= ENOUGH;
  }
}

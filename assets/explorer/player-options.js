// How the player plays: switches and volume, in the player's row where there is room, else in a menu that a button opens.

import { h, icon, iconButton } from "./dom.js";
import * as format from "./format.js";
import { remember } from "./preferences.js";

const MATCH_TITLE = "Bring every loop to the same loudness (EBU R128, −18 LUFS)";

export class Options {
  /** @param {Session} session @param {AudioEngine} engine */
  constructor(session, engine) {
    this.session = session;
    this.engine = engine;
    this.gain = h("span", { class: "ls-note ls-gain", title: "What matching the loudness adds" });
    this.opener = iconButton("options", "How to play", () => this.#open(!this.opened), {
      class: "ls-icon-button ls-options-opener",
      "aria-expanded": "false",
    });
    this.items = h("div", { class: "ls-options" }, this.#toggles(), this.#volume(), this.gain);
    this.element = h("div", { class: "ls-options-menu" }, this.opener, this.items);
    this.element.addEventListener("focusout", ({ relatedTarget }) => {
      if (!(relatedTarget instanceof Node && this.element.contains(relatedTarget))) this.#open(false);
    });
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** What matching the loudness does to the loop that plays. */
  show() {
    const gain = this.engine.matchingGain();
    this.gain.textContent = this.engine.playing && gain ? format.decibels(gain) : "";
  }

  get opened() {
    return this.element.classList.contains("ls-is-open");
  }

  /** @param {boolean} open */
  #open(open) {
    this.element.classList.toggle("ls-is-open", open);
    this.opener.ariaExpanded = String(open);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Escape" || !this.opened) return;
    event.stopPropagation();
    this.#open(false);
    this.opener.focus();
  }

  #toggles() {
    const { engine, session } = this;
    /** @type {(label: string, title: string, value: boolean, change: (on: boolean) => void) => HTMLElement} */
    const toggle = (label, title, value, change) => {
      const box = h("input", { type: "checkbox", checked: value, onchange: ({ target }) => change(target.checked) });
      return h("label", { class: "ls-toggle", title }, box, label);
    };
    return [
      toggle("Autoplay", "Selecting a loop plays it", session.autoplay, (on) => {
        session.autoplay = remember("autoplay", on); // the default of the next project
        session.emit("view");
      }),
      toggle("Loop", "Repeat without a gap", engine.loop, (on) => engine.setLoop(remember("loop", on))),
      toggle("Match loudness", MATCH_TITLE, engine.matchLoudness, (on) =>
        engine.setMatchLoudness(remember("matchLoudness", on)),
      ),
    ];
  }

  #volume() {
    const slider = h("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "Volume" });
    slider.addEventListener("input", () => this.engine.setVolume(remember("volume", slider.valueAsNumber ** 2)));
    slider.value = String(Math.sqrt(this.engine.volume));
    return h("span", { class: "ls-field ls-volume" }, icon("volume"), slider);
  }
}

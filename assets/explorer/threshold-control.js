// How sensitive the detector is: a slider, how many loops are flagged, and the percentile of the reference scores that
// stands behind both. To the right more loops are flagged, at a lower percentile.

import { debounce, h, iconButton } from "./dom.js";
import * as format from "./format.js";

const WHY_NOT = "A threshold can be set as soon as loops are scored";
const PAPER_PERCENTILE = 95; // Dadman et al., section 5.4
const STEP = 0.1;
const TYPING_MS = 400;
/** @type {Record<string, number>} */
const STEPS = { ArrowUp: STEP, ArrowDown: -STEP, PageUp: 1, PageDown: -1 };

export class ThresholdControl {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.slider = h("input", { type: "range", min: 0, max: 100, step: STEP, "aria-label": "Sensitivity" });
    const label = "Threshold percentile, typed";
    this.typed = h("input", { type: "text", inputmode: "decimal", class: "ls-percentile", "aria-label": label });
    this.flagged = h("output", { class: "ls-flagged-count" });
    const back = () => session.setPercentile(PAPER_PERCENTILE, { settled: true });
    this.reset = iconButton("reset", `Back to ${PAPER_PERCENTILE}`, back, {
      title: `Back to the ${format.ordinal(PAPER_PERCENTILE)} percentile, the paper's threshold`,
    });
    this.element = h(
      "div",
      { class: "ls-threshold" },
      this.flagged,
      h("label", { class: "ls-field ls-grow" }, "Sensitivity", this.slider),
      this.typed,
      this.reset,
    );
    const settle = () => session.setPercentile(session.percentile, { settled: true });
    this.settleSoon = debounce(settle, TYPING_MS);
    this.slider.addEventListener("input", () => session.setPercentile(100 - this.slider.valueAsNumber));
    this.slider.addEventListener("change", settle);
    this.typed.addEventListener("focus", () => {
      this.typed.value = String(session.percentile);
      this.typed.select();
    });
    this.typed.addEventListener("input", () => this.#take(percentileIn(this.typed.value)));
    this.typed.addEventListener("keydown", (event) => this.#step(event));
    this.typed.addEventListener("blur", () => this.#showTyped());
    session.on("threshold settled", () => this.show());
    this.show();
  }

  show() {
    const { session } = this;
    const { percentile, loops } = session;
    const { scored } = loops;
    for (const control of [this.slider, this.typed, this.reset]) control.disabled = !scored;
    const technical = `Flagged: a score above ${format.score(session.threshold)}, the ${format.ordinal(percentile)} percentile of the reference scores`;
    this.element.title = scored ? technical : WHY_NOT;
    this.slider.value = String(100 - percentile);
    this.slider.setAttribute(
      "aria-valuetext",
      `${session.flagged} of ${scored} loops flagged, ${format.ordinal(percentile)} percentile`,
    );
    if (document.activeElement !== this.typed) this.#showTyped();
    const counted = [h("strong", {}, format.count(session.flagged)), ` of ${format.count(scored)} flagged`];
    this.flagged.replaceChildren(...(scored ? counted : ["none scored yet"]));
    this.flagged.style.setProperty("--ls-digits", String(format.count(scored).length)); // as wide for every count
    this.reset.disabled ||= percentile === PAPER_PERCENTILE;
  }

  #showTyped() {
    this.typed.value = `${format.ordinal(this.session.percentile)} percentile`;
  }

  /** @param {number} percentile */
  #take(percentile) {
    if (!Number.isFinite(percentile)) return;
    this.session.setPercentile(percentile);
    this.settleSoon();
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    if (event.key === "Enter") this.typed.blur();
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    this.#take(Math.round((this.session.percentile + STEPS[event.key]) * 100) / 100);
    this.typed.value = String(this.session.percentile);
  }
}

/** The number that begins what was typed, with a point or a comma; NaN where none does. @param {string} text */
const percentileIn = (text) => Number.parseFloat(text.replace(",", "."));

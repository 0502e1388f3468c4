// Sensitivity: a slider in percentile of the reference scores, its score, and how many loops are flagged.

import { button, debounce, h } from "./dom.js";
import * as format from "./format.js";

const WHY_NOT = "A threshold can be set as soon as loops are scored";
const PAPER_PERCENTILE = 95; // Dadman et al., section 5.4

export class ThresholdControl {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.slider = h("input", { type: "range", min: 0, max: 100, step: 0.1, "aria-label": "Threshold percentile" });
    const label = "Threshold percentile, typed";
    this.number = h("input", { type: "number", min: 0, max: 100, step: 0.1, "aria-label": label });
    this.score = h("output", { class: "ls-value" });
    this.flagged = h("output", { class: "ls-flagged-count" });
    this.reset = button("Reset to 95th", {
      title: "Back to the 95th percentile, the paper's threshold",
      onclick: () => session.setPercentile(PAPER_PERCENTILE, { settled: true }),
    });
    this.element = h(
      "div",
      { class: "ls-threshold" },
      this.flagged,
      h("label", { class: "ls-field ls-grow" }, "Threshold", this.slider),
      h("span", { class: "ls-field" }, this.number, "th percentile"),
      h("span", { class: "ls-field" }, "score ", this.score),
      this.reset,
    );
    const move = (/** @type {any} */ { target }) =>
      Number.isFinite(target.valueAsNumber) && session.setPercentile(target.valueAsNumber);
    const settle = () => session.setPercentile(session.percentile, { settled: true });
    const typed = debounce(settle, 400);
    this.slider.addEventListener("input", move);
    this.slider.addEventListener("change", settle);
    this.number.addEventListener("input", move);
    this.number.addEventListener("input", typed);
    session.on("threshold settled", () => this.show());
    this.show();
  }

  show() {
    const { session } = this;
    const { scored } = session.loops;
    for (const control of [this.slider, this.number, this.reset]) control.disabled = !scored;
    this.element.title = scored ? "" : WHY_NOT;
    this.slider.value = String(session.percentile);
    this.slider.setAttribute(
      "aria-valuetext",
      `percentile ${session.percentile}, ${session.flagged} of ${scored} loops flagged`,
    );
    if (document.activeElement !== this.number) this.number.value = String(session.percentile);
    this.score.textContent = scored ? format.score(session.threshold) : "–";
    const counted = [h("strong", {}, format.count(session.flagged)), ` of ${format.count(scored)} flagged`];
    this.flagged.replaceChildren(...(scored ? counted : ["none scored yet"]));
    this.reset.disabled ||= session.percentile === PAPER_PERCENTILE;
  }
}

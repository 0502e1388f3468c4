// When nothing is under way on the page: no pointer down, no drag, no composition of text, and neither key nor wheel nor
// click a moment ago. What changes under a hand changes then.

const QUIET_MS = 700;

export class Quiet {
  /** Watch the page until `signal` ends it. @param {AbortSignal} signal */
  constructor(signal) {
    /** @type {Set<number>} that are down */
    this.pointers = new Set();
    this.dragging = this.composing = false;
    this.last = -Infinity; // the last touch of anything, on the clock of events
    const on = (/** @type {string} */ names, /** @type {(event: any) => void} */ task) => {
      for (const name of names.split(" "))
        document.addEventListener(name, task, { signal, capture: true, passive: true });
    };
    on("pointerdown", ({ pointerId }) => this.pointers.add(pointerId));
    on("pointerup pointercancel", ({ pointerId }) => this.pointers.delete(pointerId));
    on("pointermove", ({ pointerId, buttons }) => buttons || this.pointers.delete(pointerId)); // let go outside the window
    on("dragstart dragend", ({ type }) => {
      this.dragging = type === "dragstart";
    });
    on("compositionstart compositionend", ({ type }) => {
      this.composing = type === "compositionstart";
    });
    on("pointerdown pointerup pointercancel dragend compositionend keydown keyup wheel touchmove scroll", () => {
      this.last = performance.now();
    });
  }

  get now() {
    const busy = this.pointers.size > 0 || this.dragging || this.composing;
    return !busy && performance.now() - this.last >= QUIET_MS;
  }
}

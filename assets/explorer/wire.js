// The line to Python. Out: committed events as states, each with a serial number. In: percentile, selection and marks
// from a rerun, which count only where Python itself changed them; an echo of what was committed here is not news.

import { debounce } from "./dom.js";

const SELECTION_DELAY_MS = 400; // a held arrow key asks for one rerun, not for one per loop
const MARK_TIMEOUT_MS = 4000;

let serial = Date.now();

/** A state to commit: what is said, and a serial number by which Python tells it from what it heard before. @param {any} said */
export function stamped(said) {
  serial += 1;
  return { ...said, serial };
}

export class Wire {
  /** @param {Session} session @param {Component<ExplorerData>} component */
  constructor(session, component) {
    this.session = session;
    this.component = component;
    /** @type {{ value: [string, Mark | null], serial: number }[]} committed here and not yet acknowledged, oldest first */
    this.marks = [];
    /** @type {Record<"percentile" | "selected", (number | string | null)[]>} */
    this.echoes = { percentile: [component.data.percentile], selected: [component.data.selected] };
    /** @type {Record<"percentile" | "selected", number | string | null>} */
    this.last = { percentile: component.data.percentile, selected: component.data.selected };
    this.sendSelection = debounce(() => this.#commit("selected", session.selectedId), SELECTION_DELAY_MS);
    session.on("selection", this.sendSelection);
    session.on(
      "settled",
      () => session.percentile !== this.echoes.percentile.at(-1) && this.#commit("percentile", session.percentile),
    );
  }

  close() {
    this.sendSelection.cancel();
    clearTimeout(this.timer);
  }

  /** A rerun brought new data (or only a new theme). @param {Component<ExplorerData>} component */
  receive(component) {
    this.component = component;
    const { data } = component;
    if (this.#isNews("percentile", data.percentile)) this.session.setPercentile(data.percentile, { settled: true });
    if (this.#isNews("selected", data.selected)) this.session.select(this.session.loops.row(data.selected));
    if (this.marks.length && data.acknowledged >= this.marks[0].serial) {
      this.marks.shift();
      this.#sendMark();
    }
    this.#adoptMarks(data.marks);
  }

  /** @param {string} id @param {Mark | null} mark */
  mark(id, mark) {
    this.marks.push(stamped({ value: [id, mark] }));
    if (this.marks.length === 1) this.#sendMark();
  }

  /** Rows inside a lasso or box as a bit set; null clears. @param {Uint8Array | null} mask */
  lasso(mask) {
    if (!mask) return this.component.setStateValue("lasso", null);
    const bits = new Uint8Array(Math.ceil(mask.length / 8));
    for (let row = 0; row < mask.length; row += 1) bits[row >> 3] |= mask[row] << (row & 7);
    this.#send("lasso", btoa(Array.from(bits, (byte) => String.fromCharCode(byte)).join("")));
  }

  /** @param {"percentile" | "selected"} name @param {number | string | null} value */
  #commit(name, value) {
    this.echoes[name].push(value);
    this.#send(name, value);
  }

  /** @param {string} name @param {unknown} value */
  #send(name, value) {
    this.component.setStateValue(name, stamped({ value, version: this.component.data.version }));
  }

  /** True where Python says something that it was not told from here. @param {"percentile" | "selected"} name @param {number | string | null} value */
  #isNews(name, value) {
    if (value === this.last[name]) return false;
    this.last[name] = value;
    const echo = this.echoes[name].lastIndexOf(value);
    if (echo < 0) {
      this.echoes[name] = [value];
      return true;
    }
    this.echoes[name].splice(0, echo);
    return false;
  }

  #sendMark() {
    clearTimeout(this.timer);
    if (!this.marks.length) return;
    this.component.setStateValue("mark", this.marks[0]);
    this.timer = setTimeout(() => this.#sendMark(), MARK_TIMEOUT_MS); // a rerun that failed must not swallow a mark
  }

  /** @param {Record<string, Mark>} marks */
  #adoptMarks(marks) {
    const merged = { ...marks };
    for (const { value } of this.marks) {
      if (value[1]) merged[value[0]] = value[1];
      else delete merged[value[0]];
    }
    const now = this.session.marks;
    const same =
      Object.keys(merged).length === now.size && Object.entries(merged).every(([id, mark]) => now.get(id) === mark);
    if (!same) this.session.replaceMarks(merged);
  }
}

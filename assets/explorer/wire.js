// The line to Python. Out: committed events as states, each with a serial number. In: percentile, selection and marks
// from a rerun, which count only where Python itself changed them; an echo of what was committed here is not news.

import { debounce } from "./dom.js";

const SELECTION_DELAY_MS = 400; // a held arrow key asks for one rerun, not for one per loop
const MARK_TIMEOUT_MS = 4000;

let serial = Date.now();

export class Wire {
  constructor(session, component) {
    this.session = session;
    this.component = component;
    this.marks = []; // committed here and not yet acknowledged, oldest first
    this.echoes = { percentile: [component.data.percentile], selected: [component.data.selected] };
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

  /** A rerun brought new data (or only a new theme). */
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

  mark(id, mark) {
    this.marks.push({ value: [id, mark], serial: (serial += 1) });
    if (this.marks.length === 1) this.#sendMark();
  }

  /** Rows inside a lasso or box as a bit set; null clears. */
  lasso(mask, version) {
    if (!mask) return this.component.setStateValue("lasso", null);
    const bits = new Uint8Array(Math.ceil(mask.length / 8));
    mask.forEach((inside, row) => (bits[row >> 3] |= inside << (row & 7)));
    let text = "";
    for (const byte of bits) text += String.fromCharCode(byte);
    this.component.setStateValue("lasso", { value: btoa(text), version, serial: (serial += 1) });
  }

  #commit(name, value) {
    this.echoes[name].push(value);
    const { version } = this.component.data;
    this.component.setStateValue(name, { value, version, serial: (serial += 1) });
  }

  /** True where Python says something that it was not told from here. */
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

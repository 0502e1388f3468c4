// The line to Python. Out: committed events as states, each with a serial number. In: percentile, selection and marks
// from a rerun, which count only where Python itself changed them; an echo of what was committed here is not news.
//
// One commit at a time: the next leaves when a rerun has acknowledged the one before. Where a rerun begins before the
// last one's elements have travelled, Streamlit drops them, yet tells the browser that that run has ended: the
// explorer leaves the page for a moment, and what the hand does then is lost.

import { debounce } from "./dom.js";

const SELECTION_DELAY_MS = 400; // a held arrow key asks for one rerun, not for one per loop
const PATIENCE_MS = 4000; // then it is sent again: a rerun that failed must not swallow a commit

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
    /** @type {Commit[]} not yet acknowledged, oldest first; the first has been sent */
    this.commits = [];
    /** @type {Record<"percentile" | "selected", number | string | null>} what was last said, here or there */
    this.said = { percentile: component.data.percentile, selected: component.data.selected };
    this.sendSelection = debounce(() => this.#commit("selected", session.selectedId), SELECTION_DELAY_MS);
    session.on("selection", this.sendSelection);
    session.on(
      "settled",
      () => session.percentile !== this.said.percentile && this.#commit("percentile", session.percentile),
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
    const answered = this.commits.length > 0 && data.acknowledged >= this.commits[0].state.serial;
    if (answered) this.commits.shift();
    if (this.#isNews("percentile", data.percentile)) this.session.setPercentile(data.percentile, { settled: true });
    if (this.#isNews("selected", data.selected)) this.session.select(this.session.loops.row(data.selected));
    this.#adoptMarks(data.marks);
    if (answered) this.#next();
  }

  /** @param {string} id @param {Mark | null} mark */
  mark(id, mark) {
    this.#send("mark", [id, mark]);
  }

  /** Rows inside a lasso or box as a bit set; null clears. @param {Uint8Array | null} mask */
  lasso(mask) {
    if (!mask) return this.#send("lasso", null);
    const bits = new Uint8Array(Math.ceil(mask.length / 8));
    for (let row = 0; row < mask.length; row += 1) bits[row >> 3] |= mask[row] << (row & 7);
    this.#send("lasso", btoa(Array.from(bits, (byte) => String.fromCharCode(byte)).join("")));
  }

  /** @param {"percentile" | "selected"} name @param {number | string | null} value */
  #commit(name, value) {
    this.said[name] = value;
    this.#send(name, value);
  }

  /** Every mark is sent; of the others only the newest that waits. @param {string} name @param {any} value */
  #send(name, value) {
    const state = stamped({ value, version: this.session.version });
    this.commits = this.commits.filter((commit, place) => !place || name === "mark" || commit.name !== name);
    this.commits.push({ name, state });
    if (this.commits.length === 1) this.#next();
  }

  #next(patience = PATIENCE_MS) {
    clearTimeout(this.timer);
    const [commit] = this.commits;
    if (!commit) return;
    this.component.setStateValue(commit.name, commit.state);
    this.timer = setTimeout(() => this.#next(2 * patience), patience);
  }

  /**
   * True where Python says something of its own: not what it was told from here, nor what it said before it heard that.
   * @param {"percentile" | "selected"} name
   * @param {number | string | null} value
   */
  #isNews(name, value) {
    if (value === this.said[name] || this.commits.some((commit) => commit.name === name)) return false;
    this.said[name] = value;
    return true;
  }

  /** @param {Record<string, Mark>} marks */
  #adoptMarks(marks) {
    const merged = { ...marks };
    for (const { name, state } of this.commits) {
      if (name !== "mark") continue;
      const [id, mark] = state.value;
      if (mark) merged[id] = mark;
      else delete merged[id];
    }
    const now = this.session.marks;
    const same =
      Object.keys(merged).length === now.size && Object.entries(merged).every(([id, mark]) => now.get(id) === mark);
    if (!same) this.session.replaceMarks(merged);
  }
}

// The line to Python. Out: committed events as states, each with a serial number. In: percentile, selection and marks
// from a rerun, which count only where Python itself changed them; an echo of what was committed here is not news.
// Marks go by the outbox, which asks for no rerun; when some are saved, one state says so, for what Python draws of them.
//
// One commit at a time: the next leaves when a rerun has acknowledged the one before. Where a rerun begins before the
// last one's elements have travelled, Streamlit drops them, yet tells the browser that that run has ended: the
// explorer leaves the page for a moment, and what the hand does then is lost.

import { debounce } from "./dom.js";
import { packBits } from "./lasso-state.js";
import { outbox } from "./outbox.js";

const SELECTION_DELAY_MS = 400; // a held arrow key asks for one rerun, not for one per loop
const CLICK_DELAY_MS = 100; // one loop alone is explained at once, its sound before it
const SAVED_DELAY_MS = 300; // many marks ask for one rerun
const PATIENCE_MS = 4000; // then it is sent again: a rerun that failed must not swallow a commit

let serial = Date.now();

/** A state to commit: what is said, and a serial number by which Python tells it from what it heard before. @param {any} said */
export function stamped(said) {
  serial += 1;
  return { ...said, serial };
}

/** @param {string | null} id */
const announceSelected = (id) =>
  globalThis.document?.dispatchEvent(new CustomEvent("loopscope:selected", { detail: { id } }));

export class Wire {
  /** @param {Session} session @param {Component<ExplorerData>} component @param {Outbox} box */
  constructor(session, component, box = outbox()) {
    this.session = session;
    this.component = component;
    this.box = box;
    /** @type {Map<string, { mark: Mark | null, told: number }>} saved, but Python may have drawn what was before */
    this.saved = new Map();
    /** @type {Map<string, boolean>} by loop_id whether it has a note, as was saved, until Python says the same */
    this.noted = new Map();
    /** @type {Commit[]} not yet acknowledged, oldest first; the first has been sent */
    this.commits = [];
    /** @type {Record<"percentile" | "selected", number | string | null>} what was last said, here or there */
    this.said = { percentile: component.data.percentile, selected: component.data.selected };
    this.sendSelection = debounce(
      () => this.#commit("selected", session.selectedId),
      SELECTION_DELAY_MS,
      CLICK_DELAY_MS,
    );
    session.on("selection", this.sendSelection);
    session.on("selection", () => announceSelected(session.selectedId));
    session.on(
      "settled",
      () => session.percentile !== this.said.percentile && this.#commit("percentile", session.percentile),
    );
    /** @type {{ value: string | null, version: string }} which loops are in focus, as Python last heard it */
    this.filtered = { value: null, version: "" };
    this.sendFiltered = debounce(() => this.#sendFiltered(), SELECTION_DELAY_MS);
    session.on("focus", this.sendFiltered);
    this.tellSaved = debounce(() => this.#tellSaved(), SAVED_DELAY_MS);
    this.ending = new AbortController();
    const { signal } = this.ending;
    box.addEventListener("saved", (event) => event instanceof CustomEvent && this.#keep(event.detail.entries), {
      signal,
    });
    box.addEventListener("change", () => this.#adopt(), { signal });
    globalThis.document?.addEventListener("loopscope:connection", ({ detail }) => detail.up && this.#next(), {
      signal,
    });
    box.reopened(); // with these loops on the page, marks that waited for them may go
    this.#keep([...box.recent("mark"), ...box.recent("note")]);
    this.#adopt();
  }

  close() {
    this.ending.abort();
    this.tellSaved.cancel();
    this.sendSelection.cancel();
    this.sendFiltered.cancel();
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
    for (const [id, { told }] of this.saved) if (data.acknowledged >= told) this.saved.delete(id);
    this.#adopt();
    this.renewFiltered(data.version);
    if (answered) this.#next();
  }

  /** @param {string} id @param {Mark | null} mark */
  mark(id, mark) {
    this.box.put("mark", id, mark);
  }

  /** Rows inside a lasso or box as a bit set; null clears. @param {Uint8Array | null} mask */
  lasso(mask) {
    this.#send("lasso", packBits(mask));
  }

  /** Say what is in focus again where Python has not heard it of the version its runs are about. @param {string} heardFor */
  renewFiltered(heardFor) {
    if (heardFor === this.session.version) this.sendFiltered();
  }

  /** Python forgot what is in focus, as it does when the page is left. */
  repeatFiltered() {
    this.filtered = { value: null, version: "" };
    this.sendFiltered();
  }

  #sendFiltered() {
    const { focus, version } = this.session;
    const value = packBits(focus.mask);
    const isKnown = value === this.filtered.value && (value === null || version === this.filtered.version);
    if (isKnown) return;
    this.filtered = { value, version };
    this.#send("filtered", value);
  }

  /** @param {"percentile" | "selected"} name @param {number | string | null} value */
  #commit(name, value) {
    this.said[name] = value;
    this.#send(name, value);
  }

  /** Of those that wait only the newest of a name is sent. @param {string} name @param {any} value */
  #send(name, value) {
    const state = stamped({ value, version: this.session.version });
    this.commits = this.commits.filter((commit, place) => !place || commit.name !== name);
    this.commits.push({ name, state });
    if (this.commits.length === 1) this.#next();
    return state;
  }

  /** @param {OutboxEntry[]} entries that the server has stored */
  #keep(entries) {
    for (const { kind, loop_id, value } of entries)
      if (kind === "note") this.noted.set(loop_id, Boolean(value?.trim()));
    const marks = entries.filter(({ kind }) => kind === "mark");
    for (const { loop_id, value } of marks)
      this.saved.set(loop_id, { mark: /** @type {Mark | null} */ (value), told: Number.POSITIVE_INFINITY });
    if (marks.length) this.tellSaved();
  }

  #tellSaved() {
    const { serial } = this.#send("changed", null);
    for (const saved of this.saved.values()) saved.told = Math.min(saved.told, serial);
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

  #adopt() {
    this.#adoptMarks();
    this.#adoptNotes();
  }

  /** Python's marks, over them what was saved since, over these what waits to be. */
  #adoptMarks() {
    const { session } = this;
    const merged = new Map(Object.entries(this.component.data.marks));
    /** @type {Set<string>} */
    const pending = new Set();
    const put = (/** @type {string} */ id, /** @type {any} */ mark) =>
      mark ? merged.set(id, mark) : merged.delete(id);
    for (const [id, { mark }] of this.saved) put(id, mark);
    for (const { kind, loop_id, value } of this.box.queue.entries) {
      if (kind !== "mark" || session.loops.row(loop_id) < 0) continue;
      put(loop_id, value);
      pending.add(loop_id);
    }
    const same = (/** @type {string} */ id) => session.marks.get(id) === merged.get(id);
    const asBefore = merged.size === session.marks.size && [...merged.keys()].every(same);
    const asPending = pending.size === session.pending.size && [...pending].every((id) => session.pending.has(id));
    session.pending = pending;
    if (!asBefore) session.replaceMarks(Object.fromEntries(merged));
    else if (!asPending) session.emit("marks");
  }

  /** Who has a note, in the same way. */
  #adoptNotes() {
    const { session } = this;
    const notes = new Set(this.component.data.notes);
    for (const [id, has] of this.noted) if (notes.has(id) === has) this.noted.delete(id);
    const put = (/** @type {string} */ id, /** @type {boolean} */ has) => (has ? notes.add(id) : notes.delete(id));
    for (const [id, has] of this.noted) put(id, has);
    for (const { kind, loop_id, value } of this.box.queue.entries)
      if (kind === "note" && session.loops.row(loop_id) >= 0) put(loop_id, Boolean(value?.trim()));
    const asBefore = notes.size === session.notes.size && [...notes].every((id) => session.notes.has(id));
    if (!asBefore) session.replaceNotes(notes);
  }
}

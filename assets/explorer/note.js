// The note on the selected loop. What is typed is this browser's until the server has stored it: no rerun overwrites it,
// no loss of connection loses it, and beside it stands how far it has come.

import { debounce, h } from "./dom.js";
import { outbox } from "./outbox.js";
import { applyTheme } from "./theme.js";
import { loadStyles } from "./transport.js";
import { stamped } from "./wire.js";

const REST_MS = 600; // after the last key
const SAVED_DELAY_MS = 300; // of what Python is told
const FORGOTTEN_AFTER_MS = 5000;
const LATE_MS = 3000; // at most this long a field waits for the loop that was selected

/** @type {Map<string, Note>} by key */
const shown = new Map();

/**
 * Show or update; returns what Streamlit is to call when the component leaves the page.
 * @param {Component<NoteData>} component
 * @param {string} base
 */
export function mount(component, base) {
  const { data, parentElement: parent } = component;
  outbox().use(base, data.token);
  const note = shown.get(data.key) ?? new Note(data);
  shown.set(data.key, note);
  loadStyles(base + data.assets, "explorer", "status");
  note.show(component);
  note.arrive(parent);
  return () => {
    if (note.root.parentElement === parent) note.leave(() => shown.get(data.key) === note && shown.delete(data.key));
  };
}

class Note {
  /** @param {NoteData} data */
  constructor(data) {
    this.id = "";
    /** @type {Map<string, string>} typed, by loop_id, and not yet in the outbox */
    this.drafts = new Map();
    /** @type {Map<string, { text: string, told: number }>} saved, but Python may have drawn what was before */
    this.saved = new Map();
    /** @type {Set<string>} loops whose note was written here */
    this.written = new Set();
    this.focused = false;
    /** @type {string | null} what the explorer has selected, until Python shows it or does not */
    this.selected = null;
    this.connected = true;
    this.box = outbox();
    const { longest, placeholder, help } = data;
    this.area = h("textarea", {
      rows: 3,
      maxlength: longest,
      placeholder,
      id: `${data.key}-text`,
      "aria-describedby": `${data.key}-help`,
    });
    this.name = h("span", { class: "ls-note-name" });
    this.state = h("span", { class: "ls-note-state", role: "status", "aria-live": "polite" });
    const hint = h("span", { class: "ls-spoken", id: `${data.key}-help` }, help);
    const label = h("label", { for: this.area.id, title: help }, "Note");
    this.root = h(
      "div",
      { class: "ls-root ls-note-field" },
      h("div", { class: "ls-note-head" }, label, this.name, this.state),
      this.area,
      hint,
    );
    this.commitSoon = debounce(() => this.commit(), REST_MS);
    this.tellSaved = debounce(() => this.#tellSaved(), SAVED_DELAY_MS);
    this.ending = new AbortController();
    this.#listen(this.ending.signal);
    this.#keep(this.box.recent("note"));
  }

  /** @param {Component<NoteData>} component */
  show(component) {
    this.component = component;
    const { data } = component;
    applyTheme(this.root);
    for (const [id, { told }] of this.saved) if (data.acknowledged >= told) this.saved.delete(id);
    if (data.id !== this.id) this.commit();
    this.id = data.id;
    this.name.textContent = data.name;
    this.#write(this.drafts.get(data.id) ?? this.#known());
    this.#say();
    this.#hold();
  }

  /** @param {HTMLElement} parent */
  arrive(parent) {
    clearTimeout(this.leaving);
    if (this.root.parentElement === parent) return;
    const { selectionStart, selectionEnd } = this.area;
    parent.append(this.root);
    if (!this.focused || document.activeElement !== document.body) return;
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(selectionStart, selectionEnd);
  }

  /** Off the page, perhaps for a moment only. @param {() => unknown} forget */
  leave(forget) {
    this.root.remove();
    this.leaving = setTimeout(() => {
      this.commit();
      this.ending.abort();
      forget();
    }, FORGOTTEN_AFTER_MS);
  }

  /** Hand what was typed to the outbox. */
  commit() {
    this.commitSoon.cancel();
    for (const [id, text] of this.drafts) {
      this.drafts.delete(id);
      if (text === this.#known(id)) continue;
      this.written.add(id);
      this.box.put("note", id, text);
    }
    this.#say();
  }

  /** @param {AbortSignal} signal */
  #listen(signal) {
    const { area, box } = this;
    area.addEventListener("input", () => this.#typed());
    area.addEventListener("focus", () => {
      this.focused = true;
    });
    area.addEventListener("blur", () => {
      this.commit();
      queueMicrotask(() => {
        if (area.isConnected) this.focused = false; // else it was taken off the page, and the hand is still there
      });
    });
    window.addEventListener("pagehide", () => this.commit(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.commit(), { signal });
    document.addEventListener("keydown", (event) => this.#catch(event), { capture: true, signal });
    document.addEventListener("loopscope:selected", ({ detail }) => this.#await(detail.id), { signal });
    document.addEventListener("loopscope:connection", ({ detail }) => this.#connected(detail.up), { signal });
    box.addEventListener("saved", (event) => event instanceof CustomEvent && this.#keep(event.detail.entries), {
      signal,
    });
    box.addEventListener("change", () => this.#say(), { signal });
  }

  #typed() {
    this.drafts.set(this.id, this.area.value);
    this.commitSoon();
    this.#say();
  }

  /** Another loop is selected: what is typed before Python shows it would stand with the wrong one. @param {string | null} id */
  #await(id) {
    this.selected = id;
    this.#hold();
    clearTimeout(this.late);
    this.late = setTimeout(() => this.#await(null), LATE_MS);
  }

  /** @param {boolean} up */
  #connected(up) {
    this.connected = up;
    this.#hold();
  }

  /** Without a connection the field stays with the loop that it names. */
  #hold() {
    const late = this.connected && this.selected !== null && this.selected !== this.id && !this.focused;
    this.area.readOnly = late;
    this.root.classList.toggle("ls-is-late", late);
  }

  /** A key for the field while a rerun has taken it off the page. @param {KeyboardEvent} event */
  #catch(event) {
    if (this.area.isConnected || !this.focused || document.activeElement !== document.body) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { area } = this;
    const { selectionStart: start, selectionEnd: end } = area;
    if (event.key.length === 1) area.setRangeText(event.key, start, end, "end");
    else if (event.key === "Enter") area.setRangeText("\n", start, end, "end");
    else if (event.key === "Backspace")
      area.setRangeText("", start === end ? Math.max(0, start - 1) : start, end, "end");
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.#typed();
  }

  /** What the note is as far as anybody knows: queued, saved since Python drew, or as Python drew it. */
  #known(id = this.id) {
    const drawn = this.component?.data;
    const waits = this.box.pending("note", id);
    return waits?.value ?? this.saved.get(id)?.text ?? (drawn?.id === id ? drawn.value : null);
  }

  /** @param {string | null} text */
  #write(text) {
    const { area } = this;
    const wanted = text ?? "";
    if (area.value === wanted) return;
    const { selectionStart, selectionEnd } = area;
    area.value = wanted;
    if (this.focused) area.setSelectionRange(selectionStart, selectionEnd);
  }

  /** @param {OutboxEntry[]} entries that the server has stored */
  #keep(entries) {
    const notes = entries.filter(({ kind }) => kind === "note");
    for (const { loop_id, value } of notes)
      this.saved.set(loop_id, { text: value ?? "", told: Number.POSITIVE_INFINITY });
    if (notes.length) this.tellSaved();
    this.#say();
  }

  #tellSaved() {
    const state = stamped({ value: null });
    for (const saved of this.saved.values()) saved.told = Math.min(saved.told, state.serial);
    this.component?.setStateValue("changed", state);
  }

  #say() {
    const waits = this.drafts.has(this.id) || Boolean(this.box.pending("note", this.id));
    const { problem } = this.box;
    let said = this.written.has(this.id) ? "Saved" : "";
    if (waits) said = problem ? `Not saved yet (${problem})` : "Saving …";
    if (this.state.textContent !== said) this.state.textContent = said;
    this.state.classList.toggle("ls-is-pending", waits && Boolean(problem));
  }
}

// What waits to be saved: marks and notes, in this browser's own storage, so that a reload, a crash or another server
// loses none of them. One key an entry, because two tabs that rewrite one key overwrite each other's entries.

const PREFIX = "loopscope.outbox.";
const HIGHEST_SERIAL = 2 ** 52;

export class Queue {
  /** @param {Pick<Storage, "length" | "key" | "getItem" | "setItem" | "removeItem"> | null} storage null where it is forbidden */
  constructor(storage) {
    this.storage = storage;
    /** @type {Map<number, OutboxEntry>} that could not be stored: they last as long as this page */
    this.unkept = new Map();
    /** @type {OutboxEntry[]} oldest first */
    this.entries = [];
    this.last = 0;
    this.read();
  }

  /** Take up what other tabs have added or sent; returns the entries that have gone. */
  read() {
    const before = this.entries;
    this.entries = [...this.#stored(), ...this.unkept.values()].sort((a, b) => a.serial - b.serial);
    this.last = Math.max(this.last, this.entries.at(-1)?.serial ?? 0);
    const here = new Set(this.entries.map(({ serial }) => serial));
    return before.filter(({ serial }) => !here.has(serial));
  }

  /**
   * Of several notes on one loop only the newest is kept; every mark is. Returns whether the browser stored it.
   * @param {"mark" | "note"} kind
   * @param {string} loop_id
   * @param {string | null} value
   */
  add(kind, loop_id, value) {
    this.last = Math.max(this.last + 1, 1000 * Date.now() + Math.floor(1000 * Math.random()));
    const entry = { serial: this.last, kind, loop_id, value, at: Date.now() };
    const older = kind === "note" ? this.entries.filter((one) => one.kind === kind && one.loop_id === loop_id) : [];
    const kept = this.#keep(entry);
    this.remove(older);
    return kept;
  }

  /** @param {OutboxEntry[]} entries */
  remove(entries) {
    for (const { serial } of entries) {
      this.unkept.delete(serial);
      try {
        this.storage?.removeItem(PREFIX + serial);
      } catch {
        // It will be sent again, which changes nothing.
      }
    }
    this.read();
  }

  /** The newest entry on a loop. @param {"mark" | "note"} kind @param {string} loop_id */
  newest(kind, loop_id) {
    return this.entries.findLast((entry) => entry.kind === kind && entry.loop_id === loop_id);
  }

  /** @param {OutboxEntry} entry */
  #keep(entry) {
    try {
      if (!this.storage) throw new Error("no storage");
      this.storage.setItem(PREFIX + entry.serial, JSON.stringify(entry));
      return true;
    } catch {
      this.unkept.set(entry.serial, entry);
      return false;
    }
  }

  #stored() {
    const { storage } = this;
    /** @type {OutboxEntry[]} */
    const entries = [];
    try {
      for (let i = 0; storage && i < storage.length; i += 1) {
        const key = storage.key(i);
        if (!key?.startsWith(PREFIX)) continue;
        const entry = parsed(storage.getItem(key));
        if (entry && PREFIX + entry.serial === key) entries.push(entry);
      }
    } catch {
      // Forbidden from now on: what is in memory counts.
    }
    return entries;
  }
}

/** An entry as it was stored, null for anything else. @param {string | null} text @returns {OutboxEntry | null} */
function parsed(text) {
  try {
    const { serial, kind, loop_id, value, at } = JSON.parse(text ?? "");
    const numbered = Number.isInteger(serial) && serial >= 0 && serial < HIGHEST_SERIAL;
    const fits = (kind === "mark" || kind === "note") && typeof loop_id === "string";
    const valued = typeof value === "string" || (kind === "mark" && value === null);
    return numbered && fits && valued ? { serial, kind, loop_id, value, at } : null;
  } catch {
    return null;
  }
}

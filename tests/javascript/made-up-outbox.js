// An outbox without a browser: a storage in memory, and a server that may be down, forgetful, full or another one.

import { Outbox } from "../../assets/explorer/outbox.js";
import { Queue } from "../../assets/explorer/queue.js";
import { turns } from "../../assets/explorer/turns.js";

/** Storage as browsers have it, of which several tabs may hold one. `full`: it takes nothing more. */
export class MadeUpStorage {
  items = new Map();
  full = false;
  get length() {
    return this.items.size;
  }
  key(i) {
    return [...this.items.keys()].reverse()[i] ?? null; // browsers promise no order
  }
  getItem(key) {
    return this.items.get(key) ?? null;
  }
  setItem(key, value) {
    if (this.full) throw new DOMException("full", "QuotaExceededError");
    this.items.set(key, String(value));
  }
  removeItem(key) {
    this.items.delete(key);
  }
}

/** `taken`: what was stored, in order. `loses`: the next answers are lost on their way back. `holds`: its loops. */
export class MadeUpServer {
  up = false;
  loses = 0;
  status = 200;
  error = "";
  holds = () => true;
  taken = [];
  requests = [];
  busy = 0;

  async fetch(address, { body }) {
    const entries = JSON.parse(body);
    this.requests.push({ address, entries });
    this.busy += 1;
    await null;
    this.busy -= 1;
    if (!this.up) throw new TypeError("Failed to fetch");
    const said = this.status === 200 ? this.#take(entries) : { error: this.error };
    if (this.loses > 0) {
      this.loses -= 1;
      throw new TypeError("Failed to fetch");
    }
    return { ok: this.status === 200, status: this.status, json: async () => said };
  }

  #take(entries) {
    const [acknowledged, refused] = [[], []];
    for (const entry of entries) {
      if (!this.holds(entry.loop_id)) refused.push({ serial: entry.serial, reason: "Not here.", elsewhere: true });
      else if (entry.value === "burn") refused.push({ serial: entry.serial, reason: "No such mark." });
      else {
        this.taken.push(entry);
        acknowledged.push(entry.serial);
      }
    }
    return { acknowledged, refused };
  }

  /** When everything that was begun has come to rest; timers are the test's to move. */
  async settled() {
    for (let i = 0; i < 200; i += 1) await null;
  }
}

/** Locks as browsers have them: one task at a time, in the order of asking. */
export class MadeUpLocks {
  last = Promise.resolve();
  request(_name, task) {
    const turn = this.last.then(task);
    this.last = turn.catch(() => {});
    return turn;
  }
}

export function madeUpOutbox({
  storage = new MadeUpStorage(),
  server = new MadeUpServer(),
  locks = new MadeUpLocks(),
} = {}) {
  const said = [];
  const box = new Outbox({
    queue: new Queue(storage),
    turns: turns(storage, locks),
    fetch: (address, request) => server.fetch(address, request),
    say: (text) => said.push(text),
  });
  return { box, server, storage, locks, said };
}

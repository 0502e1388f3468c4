// Tabs take turns. Browsers have a lock for that, but give it to pages over https and on this machine's own address
// only; elsewhere a note in the storage that all tabs share says whose turn it is, and until when.

const NAME = "loopscope.outbox";
const LEASE = "loopscope.outbox-turn";
const LEASE_MS = 4000;
const SETTLE_MS = 40; // until a note of another tab, written at the same moment, can be seen
const ASK_MS = 250;

/** @param {Pick<Storage, "getItem" | "setItem" | "removeItem"> | null} storage @returns {Turns} */
export function turns(storage, locks = globalThis.navigator?.locks) {
  if (locks) return { take: (task) => locks.request(NAME, task) };
  return storage ? new Leases(storage) : { take: (task) => task() };
}

class Leases {
  /** @param {Pick<Storage, "getItem" | "setItem" | "removeItem">} storage */
  constructor(storage) {
    this.storage = storage;
    this.owner = `${Date.now()}-${Math.random()}`;
  }

  /** @template T @param {() => Promise<T>} task @returns {Promise<T>} */
  async take(task) {
    while (!(await this.#got())) await rest(ASK_MS);
    const renewing = setInterval(() => this.#write(), LEASE_MS / 4);
    try {
      return await task();
    } finally {
      clearInterval(renewing);
      if (this.#holder() === this.owner) this.storage.removeItem(LEASE);
    }
  }

  async #got() {
    if (this.#holder() !== null) return false;
    if (!this.#write()) return true; // nothing can be written, so nothing is shared either
    await rest(SETTLE_MS);
    return this.#holder() === this.owner;
  }

  /** Whose turn it is, null where nobody's. */
  #holder() {
    try {
      const { owner, until } = JSON.parse(this.storage.getItem(LEASE) ?? "{}");
      const left = until - Date.now();
      return left > 0 && left <= LEASE_MS ? owner : null;
    } catch {
      return null;
    }
  }

  #write() {
    try {
      this.storage.setItem(LEASE, JSON.stringify({ owner: this.owner, until: Date.now() + LEASE_MS }));
      return true;
    } catch {
      return false;
    }
  }
}

const rest = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));

// Marks and notes on their way into the database. They are queued in the browser (queue.js), sent in order, and leave
// the queue when the server has stored them, not before. All tabs share one queue; one of them sends at a time.

import { notify } from "./notices.js";
import { Queue } from "./queue.js";
import { turns } from "./turns.js";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
const RECENT_MS = 60_000; // longer than Python takes to draw
const PATIENCE_MS = 10_000; // with one answer
const MOST_ENTRIES = 200; // at a time, below what the server takes
const MOST_CHARACTERS = 60_000; // of notes, up to four bytes each

export class Outbox extends EventTarget {
  /**
   * Announces "change" (the queue is another), and "saved" {entries} when the server has stored some.
   * @param {{ queue: Queue, turns: Turns, fetch: typeof window.fetch, say: (text: string) => void }} means
   */
  constructor({ queue, turns, fetch, say }) {
    super();
    this.queue = queue;
    this.turns = turns;
    this.fetch = fetch;
    this.say = say;
    this.address = "";
    /** Why the queue is not empty, "" where nothing is known to be wrong. */
    this.problem = "";
    this.retry = FIRST_RETRY_MS;
    /** @type {Set<number>} serials of what has been kept waiting: since before this page, or by a failure */
    this.waited = new Set(queue.entries.map(({ serial }) => serial));
    /** @type {Set<string>} what waited and is saved since, by kind and loop */
    this.replayed = new Set();
    /** @type {Set<number>} of loops that the present session does not hold */
    this.elsewhere = new Set();
    /** @type {OutboxEntry[]} the last ones to be saved */
    this.saved = [];
    this.sending = false;
    this.warned = false;
  }

  /** Where to send from now on; a new session gets all that is there. @param {string} base @param {string} token */
  use(base, token) {
    const address = `${base}ls/outbox/${token}`;
    if (address === this.address) return;
    this.address = address;
    this.reopened();
  }

  /** Other loops may be on the page, or the connection is back: try all at once. */
  reopened() {
    this.elsewhere.clear();
    this.retry = FIRST_RETRY_MS;
    this.send();
  }

  /** @param {"mark" | "note"} kind @param {string} id @param {string | null} value */
  put(kind, id, value) {
    const kept = this.queue.add(kind, id, value);
    if (!kept && !this.warned) {
      this.warned = true;
      this.say("This browser cannot keep marks and notes, so do not close this page before they are saved.");
    }
    this.#announce("change");
    this.send();
  }

  /** The newest entry of a loop that is not yet saved. @param {"mark" | "note"} kind @param {string} id */
  pending(kind, id) {
    return this.queue.newest(kind, id);
  }

  /** What was saved a moment ago: a view that is new on the page may have been drawn before. @param {"mark" | "note"} kind */
  recent(kind) {
    return this.saved.filter((entry) => entry.kind === kind && Date.now() - entry.at < RECENT_MS);
  }

  /** Another tab has added entries or sent some. */
  reread() {
    const gone = this.queue.read();
    if (gone.length) this.#tell(gone);
    this.#announce("change");
  }

  /** Send what is due; called again while it does so, it goes on until nothing is. */
  async send() {
    clearTimeout(this.timer);
    this.again = true;
    if (this.sending) return;
    this.sending = true;
    try {
      while (this.again && this.#due().length && this.address) {
        this.again = false;
        await this.turns.take(() => this.#sendAll());
      }
    } finally {
      this.sending = false;
    }
    if (!this.#due().length) return;
    this.timer = setTimeout(() => this.send(), this.retry);
    this.retry = Math.min(2 * this.retry, LONGEST_RETRY_MS);
  }

  #due() {
    return this.queue.entries.filter(({ serial }) => !this.elsewhere.has(serial));
  }

  async #sendAll() {
    this.reread(); // another tab may have sent them while this one waited for its turn
    while (await this.#sendSome());
    if (this.problem || this.#due().length || !this.replayed.size) return;
    this.say(`${counted([...this.replayed])} saved now.`);
    this.replayed.clear();
  }

  /** One request; returns whether to go on. */
  async #sendSome() {
    const batch = firstOf(this.#due());
    if (!batch.length) return false;
    const before = this.problem;
    const answer = await this.#post(batch);
    this.problem = answer.error;
    for (const { serial } of answer.error ? this.#due() : []) this.waited.add(serial);
    const done = this.#settle(batch, answer);
    if (done || before !== this.problem) this.#announce("change");
    if (!answer.error) this.retry = FIRST_RETRY_MS;
    return !answer.error && done > 0;
  }

  /** @param {OutboxEntry[]} batch @returns {Promise<OutboxAnswer & { error: string }>} */
  async #post(batch) {
    const nothing = { acknowledged: [], refused: [] };
    try {
      const { fetch } = this;
      const response = await fetch(this.address, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(batch.map(({ serial, kind, loop_id, value }) => ({ serial, kind, loop_id, value }))),
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const said = await response.json().catch(() => ({}));
      const error = response.ok ? "" : response.status === 404 ? "reconnecting" : (said.error ?? "the server failed");
      const lists = Array.isArray(said.acknowledged) && Array.isArray(said.refused);
      return { ...(lists ? said : nothing), error: error || (lists ? "" : "the server's answer was not understood") };
    } catch {
      return { ...nothing, error: "no connection" };
    }
  }

  /** Take what was settled off the queue; returns how many. @param {OutboxEntry[]} batch @param {OutboxAnswer} answer */
  #settle(batch, { acknowledged, refused }) {
    const named = (/** @type {number[]} */ serials) => batch.filter(({ serial }) => serials.includes(serial));
    const saved = named(acknowledged);
    const away = named(refused.filter(({ elsewhere }) => elsewhere).map(({ serial }) => serial));
    const wrong = refused.filter(({ elsewhere }) => !elsewhere);
    const dropped = named(wrong.map(({ serial }) => serial));
    this.queue.remove([...saved, ...dropped]);
    for (const { serial } of away) this.elsewhere.add(serial);
    for (const { serial, kind, loop_id } of saved)
      if (this.waited.delete(serial)) this.replayed.add(`${kind} ${loop_id}`);
    if (saved.length) this.#tell(saved);
    if (dropped.length) this.say(`${counted(keys(dropped))} could not be saved: ${wrong[0].reason}`);
    if (away.length) this.say(`${counted(keys(away))} of another folder will be saved when it is opened.`);
    return saved.length + dropped.length + away.length;
  }

  /** @param {OutboxEntry[]} entries that are saved */
  #tell(entries) {
    const known = this.saved.filter(({ at }) => Date.now() - at < RECENT_MS);
    this.saved = [...known, ...entries.map((entry) => ({ ...entry, at: Date.now() }))];
    this.#announce("saved", entries);
  }

  /** @param {string} name @param {OutboxEntry[]} entries */
  #announce(name, entries = []) {
    this.dispatchEvent(new CustomEvent(name, { detail: { entries } }));
  }
}

/** @param {OutboxEntry[]} entries */
const keys = (entries) => [...new Set(entries.map(({ kind, loop_id }) => `${kind} ${loop_id}`))];

/** "3 marks and 1 note". @param {string[]} keys that begin with the kind */
function counted(keys) {
  const of = (/** @type {string} */ kind) => keys.filter((key) => key.startsWith(`${kind} `)).length;
  const words = ["mark", "note"].map((kind) => of(kind) && `${of(kind)} ${kind}${of(kind) === 1 ? "" : "s"}`);
  return words.filter(Boolean).join(" and ");
}

/** As many as fit into one request. @param {OutboxEntry[]} entries */
function firstOf(entries) {
  let characters = 0;
  const fits = entries.slice(0, MOST_ENTRIES).findIndex(({ value }) => {
    characters += value?.length ?? 0;
    return characters > MOST_CHARACTERS;
  });
  return entries.slice(0, fits < 0 ? MOST_ENTRIES : Math.max(1, fits));
}

/** @type {Outbox | null} */
let shared = null;

/** The page's own outbox. */
export function outbox() {
  if (shared) return shared;
  const storage = allowedStorage();
  const own = new Outbox({
    queue: new Queue(storage),
    turns: turns(storage),
    fetch: (...request) => window.fetch(...request),
    say: notify,
  });
  document.addEventListener("loopscope:connection", ({ detail }) => detail.up && own.reopened());
  window.addEventListener("online", () => own.reopened());
  window.addEventListener("storage", ({ storageArea }) => storageArea === storage && own.reread());
  shared = own;
  return own;
}

/** Private windows and strict settings forbid even asking. */
function allowedStorage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

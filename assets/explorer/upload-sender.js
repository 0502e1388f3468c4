// A folder on its way to the server: several files at a time, each tried again, none sent twice.

import { put as putFile } from "./upload-request.js";

const AT_A_TIME = 4;
const WAITS_MS = [500, 2000, 8000]; // before a file is tried again

/** What the server does not take, however often it is asked. */
class Refusal extends Error {}

export class UploadSender {
  /**
   * @param {UploadFile[]} files
   * @param {string} address of the session's uploads
   * @param {{ fetch?: typeof globalThis.fetch, put?: typeof putFile, wait?: (ms: number) => Promise<unknown> }} [means]
   */
  constructor(files, address, means = {}) {
    const { fetch = (...request) => globalThis.fetch(...request), put = putFile, wait = rested } = means;
    this.files = files;
    this.address = address;
    this.fetch = fetch;
    this.put = put;
    this.wait = wait;
    this.name = "";
    /** @type {Set<number>} */
    this.sent = new Set();
    this.sentBytes = 0; // those of files that are under way among them
    this.bytes = files.reduce((sum, { size }) => sum + size, 0);
    this.ending = new AbortController();
  }

  get isWhole() {
    return this.sent.size === this.files.length;
  }

  get isCancelled() {
    return this.ending.signal.aborted;
  }

  /**
   * Send what is not there yet; called again after a failure it goes on. Throws an Error with one sentence.
   * @param {() => void} onProgress
   */
  async run(onProgress) {
    if (!this.name) {
      const files = this.files.map(({ name, size }) => [name, size]);
      const asked = {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ files }),
      };
      const begin = () => this.fetch(this.address, { ...asked, signal: this.ending.signal });
      this.name = (await (await this.#patiently(begin)).json()).upload;
    }
    const waiting = [...this.files.keys()].filter((number) => !this.sent.has(number)).values();
    let failed = false;
    const worker = async () => {
      for (const number of waiting) {
        if (failed || this.isCancelled) return;
        try {
          await this.#sendFile(number, onProgress);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: AT_A_TIME }, worker));
    const failure = ends.find((end) => end.status === "rejected");
    if (failure && !this.isCancelled) throw failure.reason;
  }

  /** Send nothing more, and have what arrived removed. */
  async cancel() {
    this.ending.abort();
    if (this.name) await this.fetch(`${this.address}/${this.name}`, { method: "DELETE" }).catch(() => null);
  }

  /** @param {number} number @param {() => void} onProgress */
  async #sendFile(number, onProgress) {
    const { body, size } = this.files[number];
    let gone = 0;
    /** @param {number} bytes */
    const note = (bytes) => {
      this.sentBytes += bytes - gone;
      gone = bytes;
      onProgress();
    };
    const place = `${this.address}/${this.name}/${number}`;
    try {
      await this.#patiently(() => this.put(place, body, this.ending.signal, note));
    } catch (error) {
      note(0); // all of it is sent anew
      throw error;
    }
    this.sent.add(number);
    note(size);
  }

  /** @param {() => Promise<Response>} request */
  async #patiently(request) {
    for (const wait of [...WAITS_MS, null]) {
      try {
        return await this.#once(request);
      } catch (error) {
        if (wait === null || error instanceof Refusal || this.isCancelled) throw error;
        await this.wait(wait);
      }
    }
    throw new Error("never reached");
  }

  /** @param {() => Promise<Response>} request */
  async #once(request) {
    let answer;
    try {
      answer = await request();
    } catch {
      throw new Error("The connection was lost, or a file could not be read.");
    }
    if (answer.ok) return answer;
    if (answer.status === 404) throw new Refusal("The server was started anew; choose the folder again.");
    const said = await answer.json().catch(() => ({}));
    throw new Refusal(said.error ?? `The server answered ${answer.status}.`);
  }
}

/** @param {number} ms */
const rested = (ms) => new Promise((done) => setTimeout(done, ms));

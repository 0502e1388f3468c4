// Asks the server once a second how things stand, and knows whether it answers. The one place where a page does so.
//
// Out: "loopscope:pulse" {the answer} at every answer, "loopscope:connection" {up} when that changes. A server that
// answers 404 was started anew: it counts as up once Streamlit has made a session there and its token has come.

import { allowStreamlitsDialog, setBanner, suppressStreamlitsDialog } from "./notices.js";

const EVERY_MS = 900; // with the patience below, a loss is known within three seconds
const HIDDEN_MS = 5000;
const AGAIN_MS = 300; // after a first failure
const PATIENCE_MS = 2000;
const STALLED_MS = 500; // this much later than asked for, and it was the page that slept
const LONG_MS = 10_000;
const GATEWAY = new Set([502, 503, 504]); // a proxy in front of a server that is gone

const LOST = "No connection to loopscope. Marks and notes are kept in this browser and saved when it is back.";
const RENEWING = "Reconnecting …";
const SLOW = "Reconnecting … If this lasts, reload the page: marks and notes are kept.";

export class Poller {
  /** @param {() => unknown} onStrange called at every answer of a server that does not know this session */
  constructor(onStrange) {
    this.onStrange = onStrange;
    this.address = "";
    /** @type {"up" | "lost" | "renewing"} */
    this.state = "up";
    this.failures = 0;
    this.since = 0; // when the state began
    this.running = 0; // how often it was started
    document.addEventListener("visibilitychange", () => document.hidden || this.#soon());
    window.addEventListener("offline", () => this.#soon());
  }

  /** Ask here from now on. @param {string} base @param {string} token */
  use(base, token) {
    const address = `${base}ls/pulse/${token}`;
    if (address === this.address) return;
    this.address = address;
    this.#soon();
  }

  stop() {
    this.running += 1;
    this.address = "";
    clearTimeout(this.timer);
    setBanner("");
    allowStreamlitsDialog();
  }

  #soon() {
    this.running += 1;
    clearTimeout(this.timer);
    if (this.address) this.#ask(this.running);
  }

  /** @param {number} running which round this belongs to: a newer one ends it */
  async #ask(running) {
    const asked = performance.now();
    const { status, pulse } = await this.#answer();
    if (running !== this.running) return;
    const slept = performance.now() - asked > PATIENCE_MS + STALLED_MS;
    if (status === 404) {
      this.#now("renewing");
      this.onStrange();
    } else if (status && !GATEWAY.has(status)) this.#now("up");
    else if (!slept) this.#fail(performance.now() - asked);
    if (pulse) document.dispatchEvent(new CustomEvent("loopscope:pulse", { detail: pulse }));
    this.timer = setTimeout(() => this.#ask(running), this.#pause(slept));
  }

  /** @param {boolean} slept */
  #pause(slept) {
    if (slept || (this.failures && this.state === "up")) return AGAIN_MS;
    return document.hidden ? HIDDEN_MS : EVERY_MS;
  }

  /** @returns {Promise<{ status: number, pulse?: Pulse }>} status 0 where nothing answered */
  async #answer() {
    try {
      const response = await fetch(this.address, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      return response.ok ? { status: 200, pulse: await response.json() } : { status: response.status };
    } catch {
      return { status: 0 };
    }
  }

  /** Two failures, or one answer that did not come, are a loss. @param {number} after milliseconds */
  #fail(after) {
    this.failures += 1;
    if (this.failures > 1 || after >= PATIENCE_MS - 50) this.#now("lost");
  }

  /** @param {"up" | "lost" | "renewing"} state */
  #now(state) {
    if (state !== "lost") this.failures = 0;
    if (state !== this.state) {
      const wasUp = this.state === "up";
      this.state = state;
      this.since = performance.now();
      if (state === "lost") suppressStreamlitsDialog();
      if (state === "up") allowStreamlitsDialog();
      if (wasUp || state === "up")
        document.dispatchEvent(new CustomEvent("loopscope:connection", { detail: { up: state === "up" } }));
    }
    const long = performance.now() - this.since > LONG_MS;
    setBanner({ up: "", lost: LOST, renewing: long ? SLOW : RENEWING }[state]);
  }
}

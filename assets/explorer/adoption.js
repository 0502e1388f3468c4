// The explorer goes over to another version of its data: fetched behind the scene, taken over at a quiet moment. One at
// a time; of several that wait the newest counts. A version that cannot be had (the server has a newer one by now) is
// dropped without a word.

import { Quiet } from "./quiet.js";

const ASK_EVERY_MS = 50;

export class Adoption {
  /**
   * @param {{ version: string, fetch: (version: string) => Promise<any>, take: (loops: any, version: string) => Promise<void>, ready: () => boolean }} explorer
   *   `version` is the one that is shown; `take` may be called where `ready` says so
   * @param {AbortSignal} signal ends it
   * @param {Pick<Quiet, "now">} quiet
   */
  constructor(explorer, signal, quiet = new Quiet(signal)) {
    this.explorer = explorer;
    this.signal = signal;
    this.quiet = quiet;
    this.wanted = explorer.version;
    this.working = false;
  }

  /** @param {string} version */
  async want(version) {
    this.wanted = version;
    if (this.working) return;
    this.working = true;
    try {
      while (this.wanted !== this.explorer.version && !this.signal.aborted) await this.#work(this.wanted);
    } finally {
      this.working = false;
    }
  }

  /** @param {string} version */
  async #work(version) {
    const { explorer } = this;
    const loops = await explorer.fetch(version).catch(() => null);
    const superseded = () => this.wanted !== version || this.signal.aborted;
    if (superseded()) return;
    if (!loops) {
      this.wanted = explorer.version;
      return;
    }
    while (!(this.quiet.now && explorer.ready())) {
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
      if (superseded()) return;
    }
    await explorer.take(loops, version);
  }
}

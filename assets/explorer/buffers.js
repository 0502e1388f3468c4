// Decoded loops, kept by last use; fetched ahead for whatever may be heard next.

const MOST_CLIPS = 64;
const MOST_BYTES = 192 * 2 ** 20;
const MOST_PREFETCHES = 3; // at once: the loop that was clicked must not wait behind guesses
const OFFLINE_RATE = 48000; // decoding before the first click needs a context that may exist without one

/** @typedef {{ promise: Promise<Clip>, clip: Clip | null, bytes: number }} Entry */

export class ClipCache {
  /** @type {Map<string, Entry>} least recently used first */
  #entries = new Map();
  #prefetching = 0;
  /** @type {OfflineAudioContext | null} */
  #decoder = null;

  /**
   * @param {(id: string) => string} locate gives the address of a loop
   * @param {() => AudioContext | null} context null before the first click
   */
  constructor(locate, context) {
    this.locate = locate;
    this.context = context;
  }

  /** The clip if it is decoded already. @param {string} id */
  ready(id) {
    const entry = this.#entries.get(id);
    if (entry?.clip) this.#touch(id, entry);
    return entry?.clip;
  }

  /** A promise of the decoded clip. @param {string} id @param {RequestPriority} priority */
  get(id, priority = "high") {
    const known = this.#entries.get(id);
    if (known) {
      this.#touch(id, known);
      return known.promise;
    }
    const promise = this.#load(id, priority).then((clip) => {
      entry.clip = clip;
      entry.bytes = clip.buffer.length * clip.buffer.numberOfChannels * 4;
      this.#evict();
      return clip;
    });
    /** @type {Entry} */
    const entry = { promise, clip: null, bytes: 0 };
    promise.catch(() => this.#entries.delete(id)); // the next click may try again
    this.#entries.set(id, entry);
    return promise;
  }

  /** Fetch and decode quietly, unless enough guesses are under way. @param {string} id */
  async prefetch(id) {
    if (this.#entries.has(id) || this.#prefetching >= MOST_PREFETCHES) return;
    this.#prefetching += 1;
    try {
      await this.get(id, "low");
    } catch {
      // Heard about when the loop is really asked for.
    } finally {
      this.#prefetching -= 1;
    }
  }

  stats() {
    let bytes = 0;
    for (const entry of this.#entries.values()) bytes += entry.bytes;
    return { clips: this.#entries.size, bytes };
  }

  clear() {
    this.#entries.clear();
  }

  /** @param {string} id @param {RequestPriority} priority @returns {Promise<Clip>} */
  async #load(id, priority) {
    const response = await fetch(this.locate(id), { priority });
    if (response.status === 410) throw new Error(await response.text()); // why it cannot be heard
    if (!response.ok) {
      throw new Error(
        response.status === 415 ? "This loop cannot be decoded." : `This loop cannot be fetched (${response.status}).`,
      );
    }
    const bytes = await response.arrayBuffer();
    const buffer = await (this.context() ?? this.#offline).decodeAudioData(bytes).catch(() => {
      throw new Error("This browser cannot decode the loop.");
    });
    return { buffer, ...loudnessOf(response) };
  }

  get #offline() {
    this.#decoder ??= new OfflineAudioContext(1, 1, OFFLINE_RATE);
    return this.#decoder;
  }

  /** @param {string} id @param {Entry} entry */
  #touch(id, entry) {
    this.#entries.delete(id);
    this.#entries.set(id, entry);
  }

  #evict() {
    let { clips, bytes } = this.stats();
    for (const [id, entry] of this.#entries) {
      if (clips <= MOST_CLIPS && bytes <= MOST_BYTES) return;
      if (!entry.clip) continue;
      this.#entries.delete(id);
      clips -= 1;
      bytes -= entry.bytes;
    }
  }
}

/** Loudness and peak as the server measured them. @param {Response} response */
export function loudnessOf(response) {
  const number = (/** @type {string} */ name) => Number.parseFloat(response.headers.get(name) ?? "NaN");
  return { lufs: number("X-Loudness-LUFS"), peak: number("X-Peak-dBFS") };
}

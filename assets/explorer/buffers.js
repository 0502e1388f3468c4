// Decoded loops, kept by last use; fetched ahead for whatever may be heard next.

const MOST_CLIPS = 64;
const MOST_BYTES = 192 * 2 ** 20;
const MOST_PREFETCHES = 3; // at once: the loop that was clicked must not wait behind guesses
const OFFLINE_RATE = 48000; // decoding before the first click needs a context that may exist without one

export class ClipCache {
  #entries = new Map(); // id → {promise, clip, bytes}, least recently used first
  #prefetching = 0;
  #decoder = null;

  /** `locate` gives the address of a loop; `context` the AudioContext, or null before the first click. */
  constructor(locate, context) {
    this.locate = locate;
    this.context = context;
  }

  /** The clip if it is decoded already, else undefined. */
  ready(id) {
    const entry = this.#entries.get(id);
    if (entry?.clip) this.#touch(id, entry);
    return entry?.clip;
  }

  /** A promise of the decoded clip: {buffer, lufs, peak}; lufs and peak are NaN where the server could not measure them. */
  get(id, priority = "high") {
    const known = this.#entries.get(id);
    if (known) {
      this.#touch(id, known);
      return known.promise;
    }
    const entry = { clip: null, bytes: 0 };
    entry.promise = this.#load(id, priority).then((clip) => {
      entry.clip = clip;
      entry.bytes = clip.buffer.length * clip.buffer.numberOfChannels * 4;
      this.#evict();
      return clip;
    });
    entry.promise.catch(() => this.#entries.delete(id)); // the next click may try again
    this.#entries.set(id, entry);
    return entry.promise;
  }

  /** Fetch and decode quietly, unless enough guesses are under way. */
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

  async #load(id, priority) {
    const response = await fetch(this.locate(id), { priority });
    if (!response.ok) {
      throw new Error(
        response.status === 415 ? "This loop cannot be decoded." : `This loop cannot be fetched (${response.status}).`,
      );
    }
    const bytes = await response.arrayBuffer();
    const decoder = this.context() ?? (this.#decoder ??= new OfflineAudioContext(1, 1, OFFLINE_RATE));
    const buffer = await decoder.decodeAudioData(bytes).catch(() => {
      throw new Error("This browser cannot decode the loop.");
    });
    return { buffer, ...loudnessOf(response) };
  }

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

/** Loudness and peak as the server measured them. */
export function loudnessOf(response) {
  const number = (name) => Number.parseFloat(response.headers.get(name) ?? "NaN");
  return { lufs: number("X-Loudness-LUFS"), peak: number("X-Peak-dBFS") };
}

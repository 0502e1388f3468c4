// One loop at a time: the newest request wins. Signal path: voice (loudness gain) → volume → analyser → speakers.
//
// Events: "change" (what plays, or whether), "failure" (detail: message).

import { ClipCache, loudnessOf } from "./buffers.js";
import { BufferVoice, ElementVoice } from "./voices.js";

export const LONGEST_BUFFERED_S = 60;
const TARGET_LUFS = -18; // leaves most loops room to be raised; EBU R128 asks -23 of programmes, which is faint on laptops
const HIGHEST_PEAK_DBFS = -1;
const ANALYSED_SAMPLES = 2048;
const GAIN_RANGE_DB = [-24, 18];

export class AudioEngine extends EventTarget {
  /** @type {AudioContext | null} */
  #context = null;
  #ticket = 0;
  /** @type {BufferVoice | ElementVoice | null} */
  #voice = null;

  /** @param {(id: string) => string} locate gives the address of a loop */
  constructor(locate) {
    super();
    this.locate = locate;
    this.cache = new ClipCache(locate, () => this.#context);
    this.volume = 0.8;
    this.loop = true;
    this.matchLoudness = true;
    this.samples = new Float32Array(ANALYSED_SAMPLES);
  }

  /** Make or wake the audio context; browsers allow it from the first click or key press on. */
  unlock() {
    if (!this.#context) {
      this.#context = new AudioContext({ latencyHint: "interactive" });
      this.output = new GainNode(this.#context, { gain: this.volume });
      this.analyser = new AnalyserNode(this.#context, { fftSize: ANALYSED_SAMPLES });
      this.output.connect(this.analyser).connect(this.#context.destination);
    }
    if (this.#context.state !== "running") this.#context.resume();
    return { context: this.#context, output: /** @type {GainNode} */ (this.output) };
  }

  /**
   * Play from the start, or a part again and again; resolves to whether this request was still the newest when it could
   * sound.
   * @param {string} id
   * @param {number} duration
   * @param {Span | null} region in seconds, null for all
   * @param {number | null} click tempo of a metronome over it, in BPM
   */
  async play(id, duration, region = null, click = null) {
    const ticket = ++this.#ticket;
    const { context, output } = this.unlock();
    let voice;
    try {
      if (duration > LONGEST_BUFFERED_S) {
        voice = new ElementVoice(context, output, id, this.locate(id), duration);
        this.#levelLater(voice);
      } else {
        const clip = this.cache.ready(id) ?? (await this.cache.get(id));
        if (ticket !== this.#ticket) return false;
        voice = new BufferVoice(context, output, id, clip);
      }
      this.#silence();
      const sounding = voice;
      const onended = () => sounding === this.#voice && this.stop();
      this.#voice = Object.assign(voice, { loop: this.loop || region !== null, region, onended });
      voice.setGain(this.gainOf(voice));
      if (click) voice.setClick(click);
      voice.startedAt = context.currentTime;
      const starting = voice.start(region?.[0]);
      if (starting) await starting; // a buffer has started already: no detour over the task queue
    } catch (error) {
      if (ticket === this.#ticket && error instanceof Error && error.name !== "AbortError") this.#fail(error);
      return false;
    }
    if (ticket === this.#ticket) this.#changed();
    return ticket === this.#ticket;
  }

  stop() {
    this.#ticket += 1;
    this.#silence();
    this.#changed();
  }

  /** @param {number} offset in seconds */
  seek(offset) {
    this.#voice?.seek(offset);
  }

  /** @param {boolean} loop @param {Span | null} region in seconds, null for all */
  setLoop(loop, region = this.region) {
    this.loop = loop;
    this.#voice?.setLoop(loop, region);
    this.#changed();
  }

  /** Loop a part of what plays whether or not loops are repeated, or all of it as before. @param {Span | null} region in seconds */
  setRegion(region) {
    this.#voice?.setLoop(this.loop || region !== null, region);
    this.#changed();
  }

  /** A metronome over what plays, which goes on where it is. @param {number | null} bpm null for none */
  setClick(bpm) {
    this.#voice?.setClick(bpm);
    this.#changed();
  }

  /** @param {number} volume linear factor */
  setVolume(volume) {
    this.volume = volume;
    this.output?.gain.setTargetAtTime(volume, this.output.context.currentTime, 0.01);
  }

  /** @param {boolean} match */
  setMatchLoudness(match) {
    this.matchLoudness = match;
    this.#voice?.setGain(this.gainOf(this.#voice));
    this.#changed();
  }

  get playing() {
    return this.#voice !== null;
  }

  /** Id of the voice that sounds. */
  get id() {
    return this.#voice?.id ?? null;
  }

  /** Looped part in seconds, null for all. */
  get region() {
    return this.#voice?.region ?? null;
  }

  /** Tempo of the metronome over what plays, in BPM, null for none. */
  get click() {
    return this.#voice?.click ?? null;
  }

  /** Whether what plays is too long to be decoded as a whole. */
  get streams() {
    return this.#voice instanceof ElementVoice;
  }

  get clip() {
    return this.#voice?.clip ?? null;
  }

  position() {
    return this.#voice?.position() ?? 0;
  }

  /** Root mean square of what leaves for the speakers, full scale 1, over the last 2048 samples. */
  level() {
    if (!this.analyser || !this.#voice) return 0;
    this.analyser.getFloatTimeDomainData(this.samples);
    return Math.sqrt(this.samples.reduce((sum, sample) => sum + sample * sample, 0) / this.samples.length);
  }

  /** Loudness gain in dB, 0 where matching is off or nothing was measured. */
  matchingGain(voice = this.#voice) {
    const measured = voice?.clip;
    if (!this.matchLoudness || !measured || Number.isNaN(measured.lufs)) return 0;
    const wanted = Math.min(Math.max(TARGET_LUFS - measured.lufs, GAIN_RANGE_DB[0]), GAIN_RANGE_DB[1]);
    return Number.isNaN(measured.peak) ? wanted : Math.min(wanted, HIGHEST_PEAK_DBFS - measured.peak);
  }

  /** Linear factor. @param {BufferVoice | ElementVoice} voice */
  gainOf(voice) {
    return 10 ** (this.matchingGain(voice) / 20);
  }

  /** What a test may ask: which loop's source node runs, where it is, and how much sound flows. */
  state() {
    return {
      loopId: this.id,
      kind: this.streams ? "element" : this.#voice ? "buffer" : null,
      url: this.#voice ? this.locate(this.#voice.id) : null,
      playing: this.playing && this.#context?.state === "running",
      position: this.position(),
      startedAt: this.#voice?.startedAt ?? null,
      level: this.level(),
      loop: this.loop,
      region: this.region,
      click: this.click,
      gainDb: this.matchingGain(),
      clips: this.cache.stats(),
    };
  }

  close() {
    this.stop();
    this.cache.clear();
    this.#context?.close();
    this.#context = null;
  }

  #silence() {
    this.#voice?.stop();
    this.#voice = null;
  }

  /** @param {Error} error */
  #fail(error) {
    this.stop();
    this.dispatchEvent(new CustomEvent("failure", { detail: error.message }));
  }

  /** A streamed file starts at once; its loudness is asked for beside it. @param {ElementVoice} voice */
  async #levelLater(voice) {
    const response = await fetch(this.locate(voice.id), { method: "HEAD" }).catch(() => null);
    if (!response?.ok) return;
    voice.clip = { buffer: null, ...loudnessOf(response) };
    if (voice === this.#voice) voice.setGain(this.gainOf(voice));
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

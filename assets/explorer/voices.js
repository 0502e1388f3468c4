// What sounds: a decoded buffer (gapless) or, for long files, a streaming media element. One voice plays one loop once
// and is thrown away. Positions are seconds from the start of the loop.

import { bufferWithClicks } from "./click-track.js";

const FADE_S = 0.005; // short enough to feel immediate, long enough not to click
const FADED_MS = 4 * 1000 * FADE_S;

class Voice {
  /** @param {AudioContext} context @param {AudioNode} output @param {string} id @param {number} duration in seconds */
  constructor(context, output, id, duration) {
    this.context = context;
    this.id = id;
    this.duration = duration;
    this.loop = true;
    /** @type {Span | null} looped part in seconds, null for all */
    this.region = null;
    /** @type {(() => void) | null} */
    this.onended = null;
    /** @type {Clip | StreamedClip | null} what was decoded, and how loud it is */
    this.clip = null;
    this.startedAt = 0;
    /** @type {number | null} tempo of the metronome over it, in BPM */
    this.click = null;
    this.gain = new GainNode(context, { gain: 0 });
    this.gain.connect(output);
  }

  /** Linear factor; fades over a few milliseconds. @param {number} factor */
  setGain(factor) {
    this.gain.gain.setTargetAtTime(factor, this.context.currentTime, FADE_S / 3);
  }

  /** Silence within the fade; `end` runs after it. @param {() => void} end */
  fadeOut(end) {
    const gain = this.gain.gain;
    gain.cancelScheduledValues(this.context.currentTime);
    gain.setTargetAtTime(0, this.context.currentTime, FADE_S / 3);
    setTimeout(() => {
      end();
      this.gain.disconnect();
    }, FADED_MS);
  }

  /** A stream has no samples to mix a metronome into: it goes on without. @param {number | null} _bpm */
  setClick(_bpm) {}

  get span() {
    return this.region ?? [0, this.duration];
  }
}

export class BufferVoice extends Voice {
  /** @param {AudioContext} context @param {AudioNode} output @param {string} id @param {Clip} clip */
  constructor(context, output, id, clip) {
    super(context, output, id, clip.buffer.duration);
    this.clip = clip;
    this.buffer = clip.buffer;
    /** @type {AudioBufferSourceNode | null} */
    this.source = null;
    this.anchor = { time: 0, offset: 0 };
  }

  start(offset = 0) {
    const source = new AudioBufferSourceNode(this.context, { buffer: this.buffer, loop: this.loop });
    [source.loopStart, source.loopEnd] = this.span;
    source.onended = () => source === this.source && this.onended?.();
    source.connect(this.gain);
    source.start(0, offset);
    this.source = source;
    this.anchor = { time: this.context.currentTime, offset };
  }

  stop() {
    const source = this.source;
    this.source = null;
    this.fadeOut(() => {
      source?.stop();
      source?.disconnect();
    });
  }

  /** @param {number} offset */
  seek(offset) {
    const old = this.source;
    this.start(offset);
    old?.stop();
    old?.disconnect();
  }

  /** @param {number | null} bpm */
  setClick(bpm) {
    if (!this.clip?.buffer) return;
    this.click = bpm;
    this.buffer = bpm ? bufferWithClicks(this.clip.buffer, bpm) : this.clip.buffer;
    if (this.source) this.seek(this.position());
  }

  /** Moves only while the audio clock runs and a source is started. */
  position() {
    if (!this.source) return 0;
    const raw = this.anchor.offset + Math.max(0, this.context.currentTime - this.anchor.time);
    const [start, end] = this.span;
    if (!this.loop) return Math.min(raw, this.duration);
    return raw < end ? raw : start + ((raw - end) % (end - start));
  }

  /** Change looping or the looped region without a break, where the playhead lies inside. @param {boolean} loop @param {Span | null} region */
  setLoop(loop, region) {
    const now = this.position();
    this.loop = loop;
    this.region = region;
    const [start, end] = this.span;
    if (now < start || now >= end) return this.seek(start);
    this.anchor = { time: this.context.currentTime, offset: now };
    if (this.source) Object.assign(this.source, { loop, loopStart: start, loopEnd: end });
  }
}

export class ElementVoice extends Voice {
  /** @param {AudioContext} context @param {AudioNode} output @param {string} id @param {string} url @param {number} duration */
  constructor(context, output, id, url, duration) {
    super(context, output, id, duration);
    this.element = new Audio(url);
    this.node = context.createMediaElementSource(this.element);
    this.node.connect(this.gain);
    this.element.onended = () => this.onended?.();
  }

  async start(offset = 0) {
    this.setLoop(this.loop, this.region);
    if (offset) this.seek(offset);
    await this.element.play();
  }

  stop() {
    clearInterval(this.timer);
    this.fadeOut(() => {
      this.element.pause();
      this.element.removeAttribute("src");
      this.element.load(); // lets go of the connection
      this.node.disconnect();
    });
  }

  /** @param {number} offset */
  seek(offset) {
    this.element.currentTime = offset;
  }

  position() {
    return this.element.currentTime;
  }

  /** @param {boolean} loop @param {Span | null} region */
  setLoop(loop, region) {
    this.loop = loop;
    this.region = region;
    this.element.loop = loop && !region;
    clearInterval(this.timer);
    if (!loop || !region) return;
    this.timer = setInterval(() => {
      const now = this.position();
      if (now >= region[1] || now < region[0]) this.seek(region[0]);
    }, 15);
  }
}

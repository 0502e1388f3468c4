// Waveform of the playing loop: click to jump, drag to loop a part, arrow keys while it has the focus.

import { fitCanvas, h, sliderNode } from "./dom.js";
import * as format from "./format.js";
import { drawCurve } from "./moment-curve.js";

const DRAG_PIXELS = 5;
/** @type {Record<string, number>} */
const STEPS_S = { ArrowLeft: -0.25, ArrowRight: 0.25 };
const SHORTEST_REGION_S = 0.02;
const CURVE_SHARE = 0.3; // of the height, where the model hears moments
const QUIETEST = 1e-3; // full scale; below, silence stays a flat line

export class Waveform {
  /** @param {Session} session @param {AudioEngine} engine @param {Moments} moments */
  constructor(session, engine, moments) {
    this.session = session;
    this.engine = engine;
    this.moments = moments;
    /** @type {{ buffer: AudioBuffer, width: number, pairs: number[][], highest: number } | null} */
    this.peaks = null;
    /** @type {{ x: number, time: number, region: Span | null } | null} */
    this.drag = null;
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.head = h("div", { class: "ls-playhead", hidden: true });
    this.element = sliderNode("Position in the loop", 0, { class: "ls-waveform" }, this.canvas, this.head);
    this.element.addEventListener("pointerdown", (event) => this.#down(event));
    this.element.addEventListener("pointermove", (event) => this.#move(event));
    this.element.addEventListener("pointerup", (event) => this.#up(event));
    this.element.addEventListener("pointercancel", () => {
      this.drag = null;
    });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.element);
  }

  close() {
    this.resizing.disconnect();
  }

  get duration() {
    const row = this.session.selected;
    return this.engine.clip?.buffer?.duration ?? (row < 0 ? 0 : this.session.loops.durations[row]);
  }

  draw() {
    const { theme } = this.session;
    const [width, height] = [this.element.clientWidth, this.element.clientHeight];
    if (!width) return;
    const context = fitCanvas(this.canvas, width, height);
    const region = this.drag?.region ?? this.engine.region;
    const pixels = region?.map((at) => (at / this.duration) * width);
    if (pixels) {
      context.fillStyle = theme.faint;
      context.fillRect(pixels[0], 0, pixels[1] - pixels[0], height);
    }
    const top = this.moments.heard ? Math.round((1 - CURVE_SHARE) * height) : height;
    this.#drawMoments(context, { width, height, top, duration: this.duration });
    const middle = top / 2;
    context.fillStyle = theme.grid;
    context.fillRect(0, middle - 0.5, width, 1);
    const peaks = this.#measure(Math.floor(width));
    if (!peaks) return;
    const scale = (0.94 * middle) / Math.max(peaks.highest, QUIETEST); // the shape counts here; the level has its own meter
    for (const [x, [low, high]] of peaks.pairs.entries()) {
      context.fillStyle = pixels && (x < pixels[0] || x > pixels[1]) ? theme.normal : theme.selected;
      context.fillRect(x, middle - high * scale, 1, Math.max(1, (high - low) * scale));
    }
  }

  /** Below the waveform, unless that is another loop's. @param {CanvasRenderingContext2D} context @param {Parameters<typeof drawCurve>[3]} place */
  #drawMoments(context, place) {
    const { engine, session, moments } = this;
    const isOther = engine.id !== null && engine.id !== session.selectedId;
    if (moments.found && !isOther && place.duration) drawCurve(context, session.theme, moments.found, place);
  }

  /** Move the playhead; called at every frame while something plays. */
  follow() {
    const { engine } = this;
    this.head.hidden = !engine.playing;
    if (!engine.playing || !this.duration) return;
    const position = engine.position();
    this.head.style.transform = `translateX(${(position / this.duration) * this.element.clientWidth}px)`;
  }

  /** Say the position to assistive technology; called when it changes by hand or rests. */
  speak() {
    const position = this.engine.position();
    this.element.setAttribute("aria-valuemax", this.duration.toFixed(2));
    this.element.setAttribute("aria-valuenow", position.toFixed(2));
    this.element.setAttribute("aria-valuetext", `${format.seconds(position)} of ${format.seconds(this.duration)}`);
  }

  /** Extremes per pixel of the loop that plays; null where it is not decoded. @param {number} width */
  #measure(width) {
    const buffer = this.engine.clip?.buffer;
    if (!buffer) return null;
    if (this.peaks?.buffer === buffer && this.peaks.width === width) return this.peaks;
    const channels = Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c));
    const pairs = Array.from({ length: width }, (_, x) => {
      const [from, to] = [x, x + 1].map((edge) => Math.floor((edge * buffer.length) / width));
      let [low, high] = [0, 0];
      for (const samples of channels) {
        for (let i = from; i < to; i += 1) {
          if (samples[i] < low) low = samples[i];
          else if (samples[i] > high) high = samples[i];
        }
      }
      return [low, high];
    });
    const highest = pairs.reduce((most, [low, high]) => Math.max(most, high, -low), 0);
    this.peaks = { buffer, width, pairs, highest };
    return this.peaks;
  }

  /** @param {PointerEvent} event */
  #time(event) {
    const box = this.element.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.duration;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (!this.engine.playing) return;
    this.element.setPointerCapture(event.pointerId);
    this.drag = { x: event.clientX, time: this.#time(event), region: null };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.drag || (!this.drag.region && Math.abs(event.clientX - this.drag.x) < DRAG_PIXELS)) return;
    const ends = [this.drag.time, this.#time(event)].sort((a, b) => a - b);
    this.drag.region = ends[1] - ends[0] >= SHORTEST_REGION_S ? ends : null;
    this.draw();
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (!this.drag) return;
    const { region } = this.drag;
    this.drag = null;
    this.engine.setLoop(region !== null || this.engine.loop, region);
    if (!region) this.engine.seek(this.#time(event));
    this.draw();
    this.speak();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { engine, duration } = this;
    const step = STEPS_S[event.key];
    if (!engine.playing || (step === undefined && event.key !== "Home" && event.key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") engine.setLoop(engine.loop, null);
    else engine.seek(step ? (engine.position() + step + duration) % duration : 0);
    this.draw();
    this.speak();
  }
}

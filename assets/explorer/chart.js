// What histogram, scatter and heatmap share: a frame with title and tools, a Plotly plot, and a layer of DOM nodes above it.
// Marks that move often (threshold, selected loop) are DOM nodes: changing the plot's own shapes costs a redraw and
// empties the selection.

import { h, perFrame } from "./dom.js";
import { downloadMenu, saveFigure } from "./download.js";
import { overPlotArea, xAxis, yAxis } from "./plotly-internals.js";
import { layoutOf } from "./theme.js";

const SLACK = 1; // pixels beyond the plot area in which a mark still shows
/** @typedef {{ l: number, r: number, t: number, b: number }} Margin */
const MARGIN = { l: 52, r: 12, t: 8, b: 44 };
const COMPACT_MARGIN = { l: 34, r: 6, t: 6, b: 20 };
const NOTHING_YET = "Figures appear once eight loops are scored.";

/** @typedef {Partial<Record<"xaxis" | "yaxis", Span>>} Ranges of the axes that the user zoomed or moved */
const AXES = /** @type {const} */ (["xaxis", "yaxis"]);

export class Chart {
  /** @param {Session} session @param {{ name: string, title: string, tools?: Child[], margin?: Margin }} options */
  constructor(session, { name, title, tools = [], margin = MARGIN }) {
    this.session = session;
    this.name = name;
    this.title = title;
    this.wide = margin;
    this.compact = false; // small beside a larger figure: without titles of the axes
    /** @type {PlotlyLibrary | null} while there is a plot: from the first drawing until it is closed */
    this.plotly = null;
    /** @type {Promise<unknown>} what Plotly still does to the plot */
    this.work = Promise.resolve();
    this.revision = 0; // of the layout
    this.size = ""; // of the frame, as Plotly drew it
    this.plot = /** @type {PlotElement} */ (h("div", { class: "ls-plot", role: "img" }));
    this.tip = h("div", { class: "ls-tip", hidden: true });
    this.layer = h("div", { class: "ls-layer" }, this.tip);
    this.note = h("span", { class: "ls-note" });
    const menu = downloadMenu(`Download the ${name}`, (format) => this.download(format));
    this.tools = h("div", { class: "ls-tools" }, tools, menu);
    this.nothing = h("p", { class: "ls-empty", hidden: session.loops.scored > 0 }, NOTHING_YET);
    this.frame = h("div", { class: "ls-frame" }, this.plot, this.layer, this.nothing);
    /** @type {Ranges} what the figure asked Plotly for by itself */
    this.own = {};
    /** @type {Ranges} of an earlier visit, for the first drawing */
    this.restored = {};
    this.element = h(
      "section",
      { class: `ls-figure ls-${name}`, "aria-label": title },
      h("header", {}, h("h3", {}, title), this.note, this.tools),
      this.frame,
    );
  }

  /** Draw, or draw anew with the session's loops of now; zoom stays where the user chose it. @param {PlotlyLibrary} Plotly */
  async show(Plotly) {
    const { scored } = this.session.loops;
    this.nothing.hidden = scored > 0;
    this.element.toggleAttribute("data-empty", !scored);
    if (!scored) return;
    if (!this.plotly) return this.draw(Plotly);
    this.#describe();
    await this.repaint();
  }

  /** Draw for the first time. @param {PlotlyLibrary} Plotly */
  async draw(Plotly) {
    this.plotly = Plotly;
    // No double click: Plotly takes two quick clicks on different points for one, and would reset the view.
    const config = { displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: false };
    this.#describe();
    this.session.on("settled focus", () => this.#describe());
    const layout = this.#wholeLayout(this.chosenRanges());
    await this.follow(Plotly.newPlot(this.plot, this.traces(), layout, config));
    if (!this.plotly) return; // closed meanwhile
    // A wheel scrolls the page; with Ctrl or ⌘ it zooms the figure.
    const onWheel = (/** @type {WheelEvent} */ event) => event.ctrlKey || event.metaKey || event.stopPropagation();
    this.frame.addEventListener("wheel", onWheel, { capture: true });
    this.#listen();
    this.plot.on("plotly_relayout", () => {
      this.place();
      this.session.emit("view");
    });
    this.plot.on("plotly_relayouting", () => this.place());
    this.size = this.#frameSize();
    this.resizing = new ResizeObserver(() => this.#resize());
    this.resizing.observe(this.frame);
    this.place();
    this.element.dataset.drawn = "true";
  }

  /** Redraw, with the colours of the session's theme. @param {Ranges} ranges that stay as they are */
  async repaint(ranges = this.chosenRanges()) {
    if (!this.plotly || !this.session.loops.scored) return;
    await this.follow(this.plotly.react(this.plot, this.traces(), this.#wholeLayout(ranges)));
    this.place();
  }

  /** Ranges that are not those the figure takes by itself. */
  chosenRanges() {
    /** @type {Ranges} */
    const chosen = {};
    if (!this.plot.layout) return this.restored; // not drawn yet
    for (const axis of AXES) {
      const { range, autorange } = this.plot.layout[axis] ?? {};
      const own = this.own[axis];
      const moved = own ? own.some((end, i) => end !== range?.[i]) : autorange !== true;
      if (range && moved) chosen[axis] = [...range];
    }
    return chosen;
  }

  /** Around the plot area, in pixels. @returns {Margin} */
  get margin() {
    return this.compact ? COMPACT_MARGIN : this.wide;
  }

  /** Draw for little room or for much; call after the element has the room. @param {boolean} compact */
  setCompact(compact) {
    if (this.compact === compact) return;
    this.compact = compact;
    this.element.toggleAttribute("data-compact", compact);
    this.#resize();
    this.repaint();
  }

  close() {
    const { plotly, plot } = this;
    this.resizing?.disconnect();
    this.plotly = null; // what is on its way to the figure finds it closed
    this.work.then(() => plotly?.purge(plot)); // under its hands Plotly would fail
  }

  /** Wait for what Plotly was told to do, as `close` does. @template T @param {Promise<T>} work */
  follow(work) {
    this.work = Promise.allSettled([this.work, work]);
    return work;
  }

  get x() {
    return xAxis(this.plot);
  }

  get y() {
    return yAxis(this.plot);
  }

  /** Value on an axis under a pointer event. @param {PixelAxis} axis @param {MouseEvent} event */
  valueAt(axis, event) {
    const box = this.frame.getBoundingClientRect();
    return axis.value(axis.letter === "x" ? event.clientX - box.left : event.clientY - box.top);
  }

  /** What Plotly draws. @returns {PlotTrace[]} */
  traces() {
    return [];
  }

  /** Axes and margins. @returns {PlotLayout} */
  layout() {
    return {};
  }

  /** Put the layer's marks where they belong after a change of view; nothing where there is no plot. */
  place() {}

  /** A click (not a drag) at a place in the plot area. Subclasses act on it. @param {MouseEvent} _event */
  clicked(_event) {}

  /**
   * The pointer rests at a place in the plot area; subclasses may return [title, line] to show there.
   * @param {MouseEvent} _event
   * @returns {[string, string] | null}
   */
  hovered(_event) {
    return null;
  }

  /**
   * Put a layer node at (left, top) in pixels of the frame, or hide it where that lies outside the plot area; null
   * stands for the area's own edge.
   * @param {HTMLElement} node
   * @param {number | null} left
   * @param {number | null} top
   */
  put(node, left, top) {
    const { x, y } = this;
    const inside = (/** @type {PixelAxis} */ axis, /** @type {number | null} */ at) =>
      at === null || (at >= axis.start - SLACK && at <= axis.end + SLACK);
    node.hidden = !(inside(x, left) && inside(y, top));
    if (node.hidden) return;
    node.style.transform = `translate(${left ?? x.start}px, ${top ?? y.start}px)`;
  }

  /** Shapes that stand for the layer's marks in a downloaded figure. @returns {PlotLayout[]} */
  shapes() {
    return [];
  }

  /** Such a shape for the threshold: a line across the plot area. @param {object} ends */
  thresholdShape(ends) {
    return { type: "line", ...ends, line: { color: this.session.theme.flagged, width: 2 } };
  }

  /** The figure as a file; marks that are DOM nodes on the screen become shapes. @param {FileFormat} format */
  async download(format) {
    if (!this.plotly) return;
    const layout = { ...this.plot.layout, shapes: this.shapes(), paper_bgcolor: this.session.theme.background };
    const figure = { data: this.plot.data, layout };
    await saveFigure(this.plotly, figure, { format, filename: `loopscope-${this.name}`, frame: this.frame });
  }

  /**
   * Clicks and hovering, from DOM events. Plotly's own plotly_click names the point it last saw under the pointer, which
   * after a quick move is another one. Its drag layer passes a click on only where nothing was dragged.
   */
  #listen() {
    const move = perFrame(
      (/** @type {PointerEvent} */ event) =>
        this.plotly && this.#showTip(event, event.buttons ? null : this.hovered(event)),
    );
    this.frame.addEventListener("click", (event) => overPlotArea(event) && this.clicked(event));
    this.frame.addEventListener("pointermove", (event) => overPlotArea(event) && move(event));
    this.frame.addEventListener("pointerleave", () => {
      move.cancel();
      this.tip.hidden = true;
    });
  }

  /** @param {PointerEvent} event @param {[string, string] | null} said */
  #showTip(event, said) {
    this.tip.hidden = !said;
    if (!said) return;
    const box = this.frame.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    this.tip.replaceChildren(h("strong", {}, said[0]), h("span", {}, said[1]));
    const half = this.tip.offsetWidth / 2 + 2;
    const centre = Math.min(Math.max(left, half), box.width - half);
    const below = top < this.tip.offsetHeight + 16;
    this.tip.style.transform = `translate(${centre}px, ${top}px) translate(-50%, ${below ? "18px" : "calc(-100% - 12px)"})`;
  }

  /** What the figure shows, in words. */
  describe() {
    return "";
  }

  #describe() {
    this.plot.setAttribute("aria-label", this.session.loops.scored ? this.describe() : NOTHING_YET);
  }

  /** @param {Ranges} ranges instead of the figure's own */
  #wholeLayout(ranges) {
    this.revision += 1;
    // Of its own accord Plotly would keep every range that was ever moved, also where it leads nowhere now.
    const layout = layoutOf(this.session.theme, { ...this.layout(), uirevision: this.revision });
    for (const axis of AXES) {
      if (this.compact) Object.assign(layout[axis], { title: { text: "" }, nticks: 4, tickfont: { size: 10 } });
      const { range } = layout[axis];
      this.own[axis] = range && [...range];
      if (ranges[axis]) layout[axis] = { ...layout[axis], range: [...ranges[axis]], autorange: false };
    }
    return layout;
  }

  #frameSize() {
    return `${this.frame.clientWidth} ${this.frame.clientHeight}`;
  }

  #resize() {
    const size = this.#frameSize();
    if (size === this.size || !this.frame.clientWidth) return;
    const unseen = this.size.startsWith("0 "); // drawn while it had no room: what depends on the room is drawn anew
    this.size = size;
    if (!this.plotly) return;
    this.follow(this.plotly.Plots.resize(this.plot)).then(() => (unseen ? this.repaint() : this.place()));
  }
}

// A Plotly figure that Python made: the app's colours, the download menu of every figure, and clicks on loops.
//
// Streamlit calls `mount` at the first show, at every rerun and at every change of theme; the figure is fetched again
// only where its version is another one.

import { failure, h } from "./dom.js";
import { downloadMenu, saveFigure } from "./download.js";
import { drawnTraces, overPlotArea, xAxis, yAxis } from "./plotly-internals.js";
import { applyTheme, divergingOf, templateOf } from "./theme.js";
import { Addresses, fetchJson, loadPlotly, loadStyles } from "./transport.js";
import { stamped } from "./wire.js";

const REACH = 8; // pixels around a point that still mean it

/** @type {WeakMap<Element, Figure>} by parent element */
const figures = new WeakMap();

/** Show or update; returns what Streamlit is to call. @param {Component<FigureData>} component @param {string} base */
export function mount(component, base) {
  const parent = component.parentElement;
  const figure = figures.get(parent) ?? new Figure(component, base);
  figures.set(parent, figure);
  figure.show(component).catch((error) => figure.fail(error));
  return () => {
    figures.delete(parent);
    figure.close();
  };
}

class Figure {
  /** @param {Component<FigureData>} component @param {string} base */
  constructor(component, base) {
    this.component = component;
    this.base = base;
    this.closed = false;
    this.plot = /** @type {PlotElement} */ (h("div", { class: "ls-plot", role: "img" }));
    this.frame = h("div", { class: "ls-frame" }, this.plot);
    this.title = h("h3", {});
    this.note = h("span", { class: "ls-note" });
    const menu = downloadMenu("Download this figure", (format) => this.#save(format));
    const header = h("header", {}, this.title, this.note, h("div", { class: "ls-tools" }, menu));
    this.figure = h("section", { class: "ls-figure" }, header, this.frame);
    this.root = h("div", { class: "ls-root ls-figure-root" }, this.figure);
    this.frame.addEventListener("click", (event) => this.#clicked(event));
    component.parentElement.append(this.root);
    this.theme = applyTheme(this.root);
    this.resizing = new ResizeObserver(() => this.#resize()); // also where it was hidden while the window changed
    this.resizing.observe(this.frame);
    /** @type {{ version: string, figure: PlotFigure, plotly: PlotlyLibrary, colours: string } | null} */
    this.drawn = null;
  }

  /** @param {Component<FigureData>} component */
  async show(component) {
    this.component = component;
    const { data } = component;
    this.title.textContent = data.title;
    this.note.textContent = this.note.title = data.note;
    this.figure.setAttribute("aria-label", data.title);
    this.plot.setAttribute("aria-label", data.describe);
    this.frame.style.height = `${data.height}px`;
    const theme = applyTheme(this.root);
    const colours = JSON.stringify(theme);
    const known = this.drawn?.version === data.version ? this.drawn : null;
    if (known?.colours === colours) return;
    this.theme = theme;
    const [Plotly, figure] = await Promise.all([
      loadPlotly(this.base + data.plotly),
      known?.figure ?? fetchJson(new Addresses(this.base, data.token, data.version), "figure"),
      loadStyles(this.base + data.assets, "explorer", "figures"),
    ]);
    if (this.closed || this.component.data.version !== data.version) return; // a newer call is on its way
    this.drawn = { version: data.version, figure, plotly: Plotly, colours };
    const config = { displayModeBar: false, responsive: false };
    const coloured = figure.data.map((/** @type {PlotTrace} */ trace) =>
      trace.meta === "diverging" ? { ...trace, colorscale: divergingOf(theme) } : trace,
    );
    const layout = { ...figure.layout, height: undefined, autosize: true, template: templateOf(this.theme) };
    await Plotly.react(this.plot, coloured, layout, config);
    this.root.dataset.drawn = data.version;
  }

  /** @param {Error} error */
  fail(error) {
    if (this.closed) return;
    console.error(error);
    this.frame.replaceChildren(failure("This figure", error));
  }

  #resize() {
    if (this.frame.clientWidth && this.plot.layout) this.drawn?.plotly.Plots.resize(this.plot);
  }

  close() {
    this.closed = true;
    this.resizing.disconnect();
    this.drawn?.plotly.purge(this.plot);
    this.root.remove();
  }

  /** @param {FileFormat} format */
  #save(format) {
    if (!this.drawn) return;
    const { title } = this.component.data;
    const margin = { ...this.plot.layout.margin, t: (this.plot.layout.margin?.t ?? 32) + 28 };
    const layout = {
      ...this.plot.layout,
      margin,
      title: {
        text: title.replaceAll("<", "&lt;"),
        font: { size: 14 },
        x: 0.01,
        xanchor: "left",
        y: 0.98,
        yanchor: "top",
      },
      paper_bgcolor: this.theme.background,
    };
    const file = { format, filename: this.component.data.name, frame: this.frame };
    return saveFigure(this.drawn.plotly, { data: this.plot.data, layout }, file);
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const value = overPlotArea(event) && this.#under(event);
    if (value) this.component.setStateValue("clicked", stamped({ value }));
  }

  /**
   * loop_id of the point nearest to the pointer; Plotly's own click names what it last hovered, which may be another.
   * @param {MouseEvent} event
   * @returns {string | null}
   */
  #under(event) {
    const [xs, ys] = [xAxis(this.plot), yAxis(this.plot)];
    const box = this.plot.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    let [nearest, found] = [REACH ** 2, null];
    for (const { customdata, x, y, visible, mode } of drawnTraces(this.plot)) {
      if (visible !== true || mode !== "markers" || !customdata) continue;
      for (let i = 0; i < x.length; i += 1) {
        const distance = (xs.pixel(x[i]) - left) ** 2 + (ys.pixel(y[i]) - top) ** 2;
        if (distance <= nearest) [nearest, found] = [distance, customdata[i]];
      }
    }
    return found;
  }
}

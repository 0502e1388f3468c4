// One explorer on the page: fetches the loops, builds the views around them, and passes on what Streamlit says.

import { AudioEngine } from "./audio-engine.js";
import { Loops } from "./loops.js";
import { fetchArrays, fetchJson, loadPlotly } from "./transport.js";
import { Views } from "./views.js";

export class Explorer {
  /** @param {HTMLElement} root @param {Component<ExplorerData>} component @param {Addresses} addresses */
  constructor(root, component, addresses) {
    this.root = root;
    this.component = component;
    this.addresses = addresses;
    this.engine = new AudioEngine((id) => this.addresses.audio(id));
    this.closed = false;
    /** @type {number[]} timers that run while it is off the page */
    this.leaving = [];
    /** @type {Views | null} once the loops are here */
    this.views = null;
  }

  get session() {
    return this.views?.session;
  }

  get loops() {
    return this.views?.loops;
  }

  /** Fetch the loops, show list and player at once, then draw. @param {Promise<unknown>} styles */
  async open(styles) {
    const plotly = loadPlotly(this.addresses.base + this.component.data.plotly);
    plotly.catch(() => {}); // awaited below; until then a failure must not count as unhandled
    const [table, points] = await Promise.all([
      fetchJson(this.addresses, "table"),
      fetchArrays(this.addresses, "points"),
      styles,
    ]);
    if (this.closed) return;
    const loops = new Loops(table, points, async (row) => (await fetchArrays(this.addresses, `near-${row}`)).rows);
    const views = new Views(this.root, this.engine, loops, this.component);
    this.views = views;
    performance.mark("loopscope:listed");
    const Plotly = await plotly;
    for (const chart of [views.histogram, views.scatter]) if (!this.closed) await chart.draw(Plotly);
    performance.mark("loopscope:ready");
    this.root.dataset.ready = "true";
    const latents = await fetchArrays(this.addresses, "latents");
    if (this.closed) return;
    loops.addLatents(latents);
    views.scatter.place();
    await views.heatmap.draw(Plotly);
    performance.mark("loopscope:complete");
    this.root.dataset.complete = "true";
  }

  /** New data for the same version, or a new theme. @param {Component<ExplorerData>} component */
  update(component) {
    this.component = component;
    this.addresses.token = component.data.token;
    this.views?.update(component);
  }

  close() {
    this.closed = true;
    this.engine.close();
    this.views?.close();
    this.root.remove();
  }
}

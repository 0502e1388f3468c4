// One explorer on the page: fetches the loops, builds the views around them, passes on what Streamlit says, and goes over
// to new versions of the same project in place.

import { Adoption } from "./adoption.js";
import { AudioEngine } from "./audio-engine.js";
import { painted } from "./dom.js";
import { Lessons } from "./lessons.js";
import { Loops } from "./loops.js";
import { hasWebGL } from "./scatter.js";
import { Addresses, fetchArrays, fetchJson, listIsOut, loadPlotly } from "./transport.js";
import { askedAt } from "./view-state.js";
import { Views } from "./views.js";

export class Explorer {
  /** @param {HTMLElement} root @param {Component<ExplorerData>} component @param {Addresses} addresses */
  constructor(root, component, addresses) {
    this.root = root;
    this.component = component;
    this.addresses = addresses;
    this.engine = new AudioEngine((id) => this.addresses.audio(id));
    this.opened = this.closed = this.failed = false;
    /** @type {number[]} timers that run while it is off the page */
    this.leaving = [];
    /** @type {Views | null} once the loops are here */
    this.views = null;
    /** @type {PlotlyLibrary | null} */
    this.plotly = null;
    const { version, provisional, view } = component.data;
    this.asked = askedAt(view); // by the report on the Library page, which leads to its loops
    this.newest = { version, provisional: Boolean(provisional) };
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.adoption = new Adoption(this, signal);
    this.lessons = new Lessons(this, signal);
    const hear = (/** @type {DocumentEventMap["loopscope:pulse"]} */ { detail }) =>
      detail.explorer && detail.explorer.project === this.component.data.project && this.#offer(detail.explorer);
    document.addEventListener("loopscope:pulse", hear, { signal });
  }

  get session() {
    return this.views?.session;
  }

  get loops() {
    return this.views?.loops;
  }

  /** What is shown. */
  get version() {
    return this.addresses.version;
  }

  /** Fetch the loops, show list and player at once, then draw. @param {Promise<unknown>} styles */
  async open(styles) {
    const listing = this.#list(styles);
    hasWebGL(); // while they come
    listing
      .then(painted)
      .finally(listIsOut)
      .catch(() => {}); // whoever awaits it below hears of a failure
    const plotly = loadPlotly(this.addresses.base + this.component.data.plotly);
    plotly.catch(() => {}); // awaited below; until then a failure must not count as unhandled
    const views = await listing;
    if (!views) return;
    const { loops } = views;
    const Plotly = await plotly;
    this.plotly = Plotly;
    for (const chart of [views.histogram, views.scatter]) if (!this.closed) await chart.show(Plotly);
    performance.mark("loopscope:ready");
    this.root.dataset.ready = "true";
    await this.#complete(loops, this.version);
    if (this.closed) return;
    views.scatter.place();
    await views.heatmap.show(Plotly);
    performance.mark("loopscope:complete");
    this.root.dataset.complete = "true";
    this.root.dataset.version = this.version;
    this.opened = true;
    this.lessons.open(views);
    this.#offer(this.newest);
  }

  /** List and player; nothing where it was closed meanwhile. @param {Promise<unknown>} styles */
  async #list(styles) {
    const [loops] = await Promise.all([this.#listed(this.version), styles]);
    if (this.closed) return null;
    this.views = new Views(this.root, this.engine, loops, this.component, () => this.addresses);
    performance.mark("loopscope:listed");
    return this.views;
  }

  /** All there is of a version. @param {string} version */
  async fetch(version) {
    const loops = await this.#listed(version);
    await this.#complete(loops, version);
    await this.lessons.prepare(loops, version);
    return loops;
  }

  /** Whether another version may be taken over now. */
  ready() {
    return this.root.isConnected && !document.hidden;
  }

  /** Show another version in place. @param {Loops} loops @param {string} version */
  async take(loops, version) {
    this.addresses = this.#at(version);
    const { provisional } = this.newest;
    const said = { version, provisional, heardFor: this.component.data.version };
    await this.views?.adopt(loops, said, /** @type {PlotlyLibrary} */ (this.plotly));
    this.root.dataset.version = version;
    this.lessons.renew();
  }

  /** What marks teach, by the name that Python gave it. @param {string} name @param {string} version @returns {Promise<Lesson>} */
  async lesson(name, version) {
    return { name, ...(await fetchArrays(this.#at(version), name)) };
  }

  /** New data, of this version or of another of the project, or a new theme. @param {Component<ExplorerData>} component */
  update(component) {
    const before = this.component.data;
    const { data } = component;
    this.component = component;
    this.addresses.token = data.token;
    this.views?.update(component);
    const changed = data.version !== before.version || data.provisional !== before.provisional;
    if (this.opened) this.lessons.offer();
    if (changed) this.#offer({ version: data.version, provisional: Boolean(data.provisional) });
  }

  /** Whether this data can be shown here, in place. @param {ExplorerData} data */
  suits(data) {
    const { version, project } = this.component.data;
    if ((data.project || "") !== (project || "")) return false;
    return data.version === version || (Boolean(project) && !this.failed);
  }

  close() {
    this.closed = true;
    this.ending.abort();
    this.engine.close();
    this.views?.close();
    this.root.remove();
  }

  /** The newest there is to show. @param {{ version: string, provisional: boolean }} newest */
  #offer(newest) {
    this.newest = newest;
    if (!this.opened) return;
    if (newest.version === this.version) this.views?.ranking.tell(newest.provisional);
    this.adoption.want(newest.version);
  }

  /** @param {string} version */
  #at(version) {
    return new Addresses(this.addresses.base, this.addresses.token, version);
  }

  /** What the list and the first two figures need. @param {string} version */
  async #listed(version) {
    const addresses = this.#at(version);
    const [table, points] = await Promise.all([fetchJson(addresses, "table"), fetchArrays(addresses, "points")]);
    const near = async (/** @type {number} */ row) => (await fetchArrays(this.#at(version), `near-${row}`)).rows;
    return new Loops(table, points, near, (row) => fetchJson(this.#at(version), `moments-${row}`));
  }

  /** What the heatmap needs besides. @param {Loops} loops @param {string} version */
  async #complete(loops, version) {
    loops.addLatents(await fetchArrays(this.#at(version), "latents"));
    await loops.standardise();
  }
}

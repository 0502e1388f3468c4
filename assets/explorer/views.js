// The views around one session, wired to each other's wishes, to the keys and to Python.

import { keepInAddress } from "./address.js";
import { spokenBadge } from "./badges.js";
import { bridge } from "./bridge.js";
import { Desk } from "./desk.js";
import { button, h } from "./dom.js";
import { Filters } from "./filters.js";
import * as format from "./format.js";
import { Heatmap } from "./heatmap.js";
import { Histogram } from "./histogram.js";
import { helpDialog, listen } from "./keys.js";
import { Pictures } from "./pictures.js";
import { Player } from "./player.js";
import { recall } from "./preferences.js";
import { Ranking } from "./ranking.js";
import { Scatter } from "./scatter.js";
import { Session } from "./session.js";
import { applyTheme } from "./theme.js";
import { ThresholdControl } from "./threshold-control.js";
import { newestView, ViewKeeper } from "./view-keeper.js";
import { restoreView } from "./view-state.js";
import { Wire } from "./wire.js";

export class Views {
  /**
   * @param {HTMLElement} root
   * @param {AudioEngine} engine
   * @param {Loops} loops
   * @param {Component<ExplorerData>} component
   * @param {() => Addresses} addresses of now
   */
  constructor(root, engine, loops, component, addresses) {
    this.root = root;
    this.engine = engine;
    const session = new Session(loops, component.data);
    this.session = session;
    const saved = newestView(component.data);
    session.autoplay = saved.autoplay ?? recall("autoplay", true);
    session.learns = saved.learns;
    session.theme = applyTheme(root);
    this.wire = new Wire(session, component);
    const onHover = (/** @type {number} */ row) => this.player.prefetch(row);
    this.histogram = new Histogram(session);
    this.scatter = new Scatter(session, { onHover, onLasso: (mask) => this.#sendLasso(mask) });
    this.heatmap = new Heatmap(session, { onHover });
    this.ranking = new Ranking(session, { onHover });
    this.actions = this.#actions();
    this.player = new Player(session, engine, this.actions);
    this.filters = new Filters(session, { onClearLasso: () => this.#clearLasso() });
    this.ranking.summary.after(this.filters.chips);
    this.threshold = new ThresholdControl(session);
    this.title = h("h2", { class: "ls-spoken" }, loops.title || component.data.title);
    this.status = h("div", { class: "ls-spoken", role: "status", "aria-live": "polite" });
    this.help = helpDialog();
    /** @type {{ at: number, rows: number[], place: number } | null} outwards from a loop to those like it */
    this.walk = null;
    /** @type {{ threshold: number, heard: Set<number> } | null} of the border */
    this.queue = null;
    this.lassoFor = ""; // the version of which Python last heard a lasso
    /** @type {EventTarget | null} what had the focus last */
    this.focused = null;
    this.pictures = new Pictures(this.charts);
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.desk = new Desk(root, signal);
    this.#build(component.data);
    restoreView(this, saved);
    bridge(this, signal);
    listen(root, this.actions, signal);
    keepInAddress(session, root, signal);
    this.keeper = new ViewKeeper(this, addresses, component.data, signal);
    root.addEventListener("focusin", (event) => {
      this.focused = event.target;
    });
    const unlock = () => engine.unlock(); // so that the audio clock runs by the time a click has become one
    root.addEventListener("pointerdown", unlock, { capture: true, once: true });
    session.on("settled", () =>
      this.announce(`${format.count(session.flagged)} of ${format.loops(this.loops.scored)} flagged`),
    );
  }

  get loops() {
    return this.session.loops;
  }

  get charts() {
    return [this.histogram, this.scatter, this.heatmap];
  }

  /** New data for the same version, or a new theme. @param {Component<ExplorerData>} component */
  update(component) {
    this.wire.receive(component);
    this.keeper.learn(component.data.view);
    this.#renewLasso(component.data.version);
    this.#takeTheme();
  }

  #takeTheme() {
    const theme = applyTheme(this.root);
    if (JSON.stringify(theme) === JSON.stringify(this.session.theme)) return;
    this.session.theme = theme;
    for (const chart of this.charts) chart.repaint();
    this.player.show();
  }

  /**
   * Go over to other loops: lists and words at once, then the figures, one a frame. Sound, selection, filters, zoom, and
   * what the hand was on stay.
   * @param {Loops} loops
   * @param {{ version: string, provisional: boolean, heardFor: string }} said `heardFor`: the version that Python's last
   *   run was about
   * @param {PlotlyLibrary} Plotly
   */
  async adopt(loops, { version, provisional, heardFor }, Plotly) {
    const anchor = this.ranking.anchor.take();
    const moved = this.session.adopt(loops, version);
    this.#renumber(moved);
    this.histogram.adopt();
    this.scatter.adopt(moved);
    this.heatmap.adopt();
    this.ranking.adopt(moved, anchor, () => {
      this.title.textContent = loops.title || this.title.textContent;
      this.filters.adopt();
      this.threshold.show();
      this.ranking.tell(provisional);
    });
    this.player.show();
    const { selected } = this.wire.said;
    if (this.session.selected < 0 && selected) this.session.select(loops.row(String(selected))); // it has come
    this.#renewLasso(heardFor);
    for (const chart of this.charts) {
      await new Promise(requestAnimationFrame);
      if (this.ending.signal.aborted) return;
      await chart.show(Plotly);
    }
  }

  /** Back on the page: what a detached element forgets is put right. */
  returned() {
    this.desk.arrive();
    this.#takeTheme(); // built while it was off the page, it could not know the colours
    this.ranking.returned();
    this.filters.returned();
    if (this.session.focus.lasso) this.#sendLasso(this.session.focus.lasso); // Python forgot it
    this.wire.repeatFiltered();
    const { focused } = this;
    if (!(focused instanceof HTMLElement && focused.isConnected)) return;
    if (document.activeElement === document.body) focused.focus({ preventScroll: true });
  }

  close() {
    this.ending.abort();
    this.wire.close();
    for (const view of [...this.charts, this.ranking, this.player, this.filters]) view.close();
  }

  /** @param {ExplorerData} data */
  #build(data) {
    const keys = { class: "ls-quiet ls-keys", title: "What the keys do (?)", onclick: () => this.help.showModal() };
    this.filters.element.append(button("Keys", keys));
    this.ranking.tell(Boolean(data.provisional));
    this.root.replaceChildren(
      h("header", { class: "ls-head" }, this.title, this.threshold.element),
      this.filters.element,
      this.ranking.element,
      this.desk.element,
      this.pictures.element,
      this.player.element,
      this.help,
      this.status,
    );
  }

  /** @param {string} text for screen readers */
  announce(text) {
    this.status.textContent = text;
  }

  /** @returns {Actions} */
  #actions() {
    return {
      step: (steps) => this.#hear(this.ranking.next(steps), "The list ends here."),
      peek: (steps) => this.ranking.next(steps),
      similar: async (steps) => this.#hear(await this.#similar(steps), "No more similar loops."),
      border: () => this.#hear(this.#border(), "Every loop in focus at the border has been heard or marked."),
      page: (pages) => this.#hear(this.ranking.page(pages), "The list is empty."),
      end: (way) => this.#hear(this.ranking.at(way * Infinity), "The list is empty."),
      toggle: () => this.player.toggle(),
      replay: () => this.player.replay(),
      here: () => this.player.moments.toggle(),
      seek: (share) => this.player.seek(share),
      mark: (mark) => this.#mark(mark),
      search: () => this.#search(),
      hit: () => this.#hit(),
      leave: () => this.ranking.scroller.focus({ preventScroll: true }),
      clear: () => this.filters.clear(),
      used: () => this.ranking.hint.used(),
      help: () => this.help.showModal(),
      announce: (text) => this.announce(text),
    };
  }

  /** Select and hear a row; where there is none (−1), say why. @param {number | undefined} row @param {string} otherwise */
  #hear(row, otherwise) {
    if (row === undefined) return;
    if (row < 0) return this.announce(otherwise);
    this.session.audition(row);
    this.announce(`${this.loops.names[row]}, ${spokenBadge(this.session, row)}`);
  }

  #search() {
    this.filters.search.focus();
    this.filters.search.select();
  }

  /** From the search words, also those typed a moment ago, to the first loop that they find: first its sound. */
  #hit() {
    const { session, filters, ranking } = this;
    session.focus.search(filters.search.value);
    session.focus.update();
    ranking.refill();
    if (ranking.rows.length) ranking.scroller.focus({ preventScroll: true });
    this.#hear(ranking.at(0), "No loop matches.");
    session.emit("focus");
  }

  /** Rows that are remembered, by where they are now. @param {(row: number) => number} moved */
  #renumber(moved) {
    const { walk, queue } = this;
    this.walk = null;
    if (walk && walk.rows.length > 1) {
      const at = walk.rows.slice(0, walk.place).filter((row) => moved(row) >= 0).length;
      this.walk = { at: moved(walk.at), rows: walk.rows.map(moved).filter((row) => row >= 0), place: at };
    }
    if (queue) this.queue = { threshold: this.session.threshold, heard: new Set([...queue.heard].map(moved)) };
  }

  /** Walk outwards from the loop that was selected when the walk began. @param {number} steps @returns {Promise<number | undefined>} */
  async #similar(steps) {
    const { session, loops } = this;
    const { selected } = session;
    if (selected < 0) return -1;
    let walk = this.walk;
    if (walk?.at !== selected) {
      const rows = [selected, ...(await loops.neighbours(selected))];
      if (loops !== this.loops) return this.#similar(steps); // rows have other numbers now
      if (session.selected !== selected) return undefined; // another loop was chosen in the meantime
      walk = { at: selected, rows, place: 0 };
      this.walk = walk;
    }
    const place = walk.place + steps;
    if (place < 0 || place >= walk.rows.length) return -1;
    walk.place = place;
    walk.at = walk.rows[place];
    return walk.at;
  }

  /** Next loop of the border queue: nearest to the threshold first, without those marked or heard since it rests there. */
  #border() {
    const { session, loops } = this;
    if (this.queue?.threshold !== session.threshold) this.queue = { threshold: session.threshold, heard: new Set() };
    const { heard } = this.queue;
    const waits = (/** @type {number} */ row) => session.focus.has(row) && !heard.has(row) && !session.markOf(row);
    const row = loops.atTheBorder(session.threshold, waits)[0] ?? -1;
    heard.add(row);
    return row;
  }

  /** @param {Mark} mark set, or taken away where it is set already */
  #mark(mark) {
    const { session, loops } = this;
    const { selected } = session;
    if (selected < 0) return this.announce("Select a loop before marking it.");
    const next = session.markOf(selected) === mark ? null : mark;
    session.setMark(selected, next);
    this.wire.mark(loops.ids[selected], next);
    this.announce(`${next ? `Marked ${next}` : "Mark removed"}: ${loops.names[selected]}`);
  }

  #clearLasso() {
    if (!this.session.focus.lasso) return;
    this.session.narrow({ lasso: null });
    this.#sendLasso(null);
  }

  /** @param {Uint8Array | null} mask */
  #sendLasso(mask) {
    this.lassoFor = this.session.version;
    this.wire.lasso(mask);
  }

  /** Python knows a lasso by rows of one version: say it again once its runs are about the one that is shown. @param {string} heardFor */
  #renewLasso(heardFor) {
    const { session } = this;
    this.wire.renewFiltered(heardFor);
    if (session.focus.lasso && this.lassoFor !== heardFor && heardFor === session.version)
      this.#sendLasso(session.focus.lasso);
  }
}

// The views around one session, wired to each other's wishes, to the keys and to Python.

import { bridge } from "./bridge.js";
import { button, h } from "./dom.js";
import { Filters } from "./filters.js";
import * as format from "./format.js";
import { Heatmap } from "./heatmap.js";
import { Histogram } from "./histogram.js";
import { helpDialog, listen } from "./keys.js";
import { Player } from "./player.js";
import { Ranking } from "./ranking.js";
import { Scatter } from "./scatter.js";
import { Session } from "./session.js";
import { applyTheme } from "./theme.js";
import { ThresholdControl } from "./threshold-control.js";
import { Wire } from "./wire.js";

export class Views {
  /** @param {HTMLElement} root @param {AudioEngine} engine @param {Loops} loops @param {Component<ExplorerData>} component */
  constructor(root, engine, loops, component) {
    this.root = root;
    this.engine = engine;
    this.loops = loops;
    const session = new Session(loops, component.data);
    this.session = session;
    session.theme = applyTheme(root);
    this.wire = new Wire(session, component);
    const onHover = (/** @type {number} */ row) => this.player.prefetch(row);
    this.histogram = new Histogram(session);
    this.scatter = new Scatter(session, { onHover, onLasso: (mask) => this.wire.lasso(mask) });
    this.heatmap = new Heatmap(session, { onHover });
    this.ranking = new Ranking(session, { onHover });
    this.actions = this.#actions();
    this.player = new Player(session, engine, this.actions);
    this.filters = new Filters(session, { onClearLasso: () => this.#clearLasso() });
    this.ranking.summary.after(this.filters.chips);
    this.status = h("div", { class: "ls-spoken", role: "status", "aria-live": "polite" });
    this.help = helpDialog();
    /** @type {{ at: number, rows: number[], place: number } | null} outwards from a loop to those like it */
    this.walk = null;
    /** @type {{ threshold: number, heard: Set<number> } | null} of the border */
    this.queue = null;
    /** @type {EventTarget | null} what had the focus last */
    this.focused = null;
    this.#build(component.data);
    this.ending = new AbortController();
    bridge(this, this.ending.signal);
    listen(root, this.actions, this.ending.signal);
    root.addEventListener("focusin", (event) => {
      this.focused = event.target;
    });
    const unlock = () => engine.unlock(); // so that the audio clock runs by the time a click has become one
    root.addEventListener("pointerdown", unlock, { capture: true, once: true });
    session.on("settled", () => this.announce(`${format.count(session.flagged)} of ${format.loops(loops.n)} flagged`));
  }

  get charts() {
    return [this.histogram, this.scatter, this.heatmap];
  }

  /** New data for the same version, or a new theme. @param {Component<ExplorerData>} component */
  update(component) {
    this.wire.receive(component);
    const theme = applyTheme(this.root);
    if (JSON.stringify(theme) === JSON.stringify(this.session.theme)) return;
    this.session.theme = theme;
    for (const chart of this.charts) chart.repaint();
    this.player.show();
  }

  /** Back on the page: what a detached element forgets is put right. */
  returned() {
    this.ranking.returned();
    if (this.session.focus.lasso) this.wire.lasso(this.session.focus.lasso); // Python forgot it
    const { focused } = this;
    if (!(focused instanceof HTMLElement && focused.isConnected)) return;
    if (document.activeElement === document.body) focused.focus({ preventScroll: true });
  }

  close() {
    this.ending.abort();
    this.wire.close();
    for (const view of [...this.charts, this.ranking, this.player]) view.close();
  }

  /** @param {ExplorerData} data */
  #build(data) {
    const keys = { class: "ls-quiet ls-keys", title: "What the keys do (?)", onclick: () => this.help.showModal() };
    this.filters.element.append(button("Keys", keys));
    this.root.style.setProperty("--ls-height", `${data.height}px`);
    const title = h("h2", { class: "ls-spoken" }, data.title);
    const views = [this.histogram, this.scatter, this.ranking, this.heatmap].map(({ element }) => element);
    this.root.replaceChildren(
      h("header", { class: "ls-head" }, title, new ThresholdControl(this.session).element),
      this.filters.element,
      h("div", { class: "ls-views" }, views),
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
      toggle: () => this.player.toggle(),
      mark: (mark) => this.#mark(mark),
      search: () => this.filters.search.focus(),
      clear: () => this.filters.clear(),
      help: () => this.help.showModal(),
      announce: (text) => this.announce(text),
    };
  }

  /** Select and hear a row; where there is none (−1), say why. @param {number | undefined} row @param {string} otherwise */
  #hear(row, otherwise) {
    if (row === undefined) return;
    if (row < 0) return this.announce(otherwise);
    this.session.audition(row);
    const { loops } = this;
    const flagged = this.session.isFlagged(row) ? ", flagged" : "";
    const score = format.score(loops.scores[row]);
    this.announce(`${loops.names[row]}, rank ${loops.rank(row)}, score ${score}${flagged}`);
  }

  /** Walk outwards from the loop that was selected when the walk began. @param {number} steps */
  async #similar(steps) {
    const { session, loops } = this;
    const { selected } = session;
    if (selected < 0) return -1;
    let walk = this.walk;
    if (walk?.at !== selected) {
      const rows = [selected, ...(await loops.neighbours(selected))];
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
    this.wire.lasso(null);
  }
}

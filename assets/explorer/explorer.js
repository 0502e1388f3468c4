// One explorer on the page: builds the views around one session and wires them to keys and to Python.

import { AudioEngine } from "./audio-engine.js";
import { Bridge } from "./bridge.js";
import { h } from "./dom.js";
import { Filters } from "./filters.js";
import * as format from "./format.js";
import { Heatmap } from "./heatmap.js";
import { Histogram } from "./histogram.js";
import { helpDialog, listen } from "./keys.js";
import { Loops } from "./loops.js";
import { Player } from "./player.js";
import { Ranking } from "./ranking.js";
import { Scatter } from "./scatter.js";
import { Session } from "./session.js";
import { applyTheme, readTheme } from "./theme.js";
import { ThresholdControl } from "./threshold-control.js";
import { fetchArrays, fetchJson, loadPlotly } from "./transport.js";
import { Wire } from "./wire.js";

export class Explorer {
  constructor(root, component, addresses) {
    Object.assign(this, { root, component, addresses, version: component.data.version });
    this.engine = new AudioEngine((id) => this.addresses.audio(id));
  }

  /** Fetch the loops, show list and player at once, then draw. */
  async open(styles) {
    const plotly = loadPlotly(this.addresses.base + this.component.data.plotly);
    plotly.catch(() => {}); // awaited below; until then a failure must not count as unhandled
    const [table, points] = await Promise.all([
      fetchJson(this.addresses, "table"),
      fetchArrays(this.addresses, "points"),
      styles,
    ]);
    if (this.closed) return;
    const { data } = this.component;
    this.loops = new Loops(table, points, async (row) => (await fetchArrays(this.addresses, `near-${row}`)).rows);
    this.session = new Session(this.loops, data);
    this.session.theme = readTheme(this.root);
    applyTheme(this.root, this.session.theme);
    this.wire = new Wire(this.session, this.component);
    this.#build();
    performance.mark("loopscope:listed");
    const Plotly = await plotly;
    for (const view of [this.histogram, this.scatter]) if (!this.closed) await view.draw(Plotly);
    performance.mark("loopscope:ready");
    this.root.dataset.ready = "true";
    const latents = await fetchArrays(this.addresses, "latents");
    if (this.closed) return;
    this.loops.addLatents(latents);
    this.scatter.place();
    await this.heatmap.draw(Plotly);
    performance.mark("loopscope:complete");
    this.root.dataset.complete = "true";
  }

  /** New data for the same version, or a new theme. */
  update(component) {
    this.component = component;
    this.addresses.token = component.data.token;
    if (!this.session) return;
    this.wire.receive(component);
    const theme = readTheme(this.root);
    if (JSON.stringify(theme) === JSON.stringify(this.session.theme)) return;
    this.session.theme = theme;
    applyTheme(this.root, theme);
    for (const view of [this.histogram, this.scatter, this.heatmap]) view.repaint();
    this.player.show();
  }

  /** Back on the page, possibly under another parent: what a detached element forgets is put right. */
  returned() {
    if (!this.session) return;
    this.ranking.returned();
    if (this.session.focus.lasso) this.wire.lasso(this.session.focus.lasso, this.version); // Python forgot it
    if (this.focused?.isConnected && document.activeElement === document.body)
      this.focused.focus({ preventScroll: true });
  }

  close() {
    this.closed = true;
    this.unlisten?.();
    this.engine.close();
    this.wire?.close();
    this.bridge?.close();
    for (const view of [this.histogram, this.scatter, this.heatmap, this.ranking, this.player]) view?.close();
    this.root.remove();
  }

  #build() {
    const { session } = this;
    const { data } = this.component;
    const onHover = (row) => this.player.prefetch(row);
    this.histogram = new Histogram(session);
    this.scatter = new Scatter(session, { onHover, onLasso: (mask) => this.wire.lasso(mask, this.version) });
    this.heatmap = new Heatmap(session, { onHover });
    this.ranking = new Ranking(session, { onHover });
    this.player = new Player(session, this.engine, this.#actions());
    this.filters = new Filters(session, { onClearLasso: () => this.#clearLasso() });
    this.ranking.summary.after(this.filters.chips);
    this.status = h("div", { class: "ls-spoken", role: "status", "aria-live": "polite" });
    this.help = helpDialog();
    const helpButton = h(
      "button",
      {
        type: "button",
        class: "ls-quiet ls-keys",
        title: "What the keys do (?)",
        onclick: () => this.help.showModal(),
      },
      "Keys",
    );
    this.filters.element.append(helpButton);
    this.root.style.setProperty("--ls-height", `${data.height}px`);
    this.root.replaceChildren(
      h(
        "header",
        { class: "ls-head" },
        h("h2", { class: "ls-spoken" }, data.title),
        new ThresholdControl(session).element,
      ),
      this.filters.element,
      h(
        "div",
        { class: "ls-views" },
        this.histogram.element,
        this.scatter.element,
        this.ranking.element,
        this.heatmap.element,
      ),
      this.player.element,
      this.help,
      this.status,
    );
    this.bridge = new Bridge(this);
    this.unlisten = listen(this.root, this.#actions());
    this.root.addEventListener("focusin", (event) => (this.focused = event.target));
    const unlock = () => this.engine.unlock(); // so that the audio clock runs by the time a click has become one
    this.root.addEventListener("pointerdown", unlock, { capture: true, once: true });
    session.on("settled", () =>
      this.announce(`${format.count(session.flagged)} of ${format.loops(this.loops.n)} flagged`),
    );
  }

  announce(text) {
    this.status.textContent = text;
  }

  #actions() {
    const { session } = this;
    return (this.actions ??= {
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
      session,
    });
  }

  #hear(row, otherwise) {
    if (row === undefined) return;
    if (row < 0) return this.announce(otherwise);
    this.session.audition(row);
    const { loops } = this;
    this.announce(
      `${loops.names[row]}, rank ${loops.rank(row)}, score ${format.score(loops.scores[row])}${this.session.isFlagged(row) ? ", flagged" : ""}`,
    );
  }

  /** Walk outwards from the loop that was selected when the walk began. */
  async #similar(steps) {
    const { session, loops } = this;
    const { selected } = session;
    if (selected < 0) return -1;
    if (this.walk?.at !== selected) {
      const rows = [selected, ...(await loops.neighbours(selected))];
      if (session.selected !== selected) return undefined; // another loop was chosen in the meantime
      this.walk = { at: selected, rows, place: 0 };
    }
    const place = this.walk.place + steps;
    if (place < 0 || place >= this.walk.rows.length) return -1;
    this.walk.place = place;
    this.walk.at = this.walk.rows[place];
    return this.walk.at;
  }

  /** Next loop of the border queue: nearest to the threshold first, without those marked or heard since it rests there. */
  #border() {
    const { session, loops } = this;
    if (this.queue?.threshold !== session.threshold) this.queue = { threshold: session.threshold, heard: new Set() };
    const { heard } = this.queue;
    const row =
      loops.atTheBorder(session.threshold, (r) => session.focus.has(r) && !heard.has(r) && !session.markOf(r))[0] ?? -1;
    heard.add(row);
    return row;
  }

  #mark(mark) {
    const { session } = this;
    if (session.selected < 0) return this.announce("Select a loop before marking it.");
    const next = session.markOf(session.selected) === mark ? null : mark;
    session.setMark(session.selected, next);
    this.wire.mark(session.selectedId, next);
    this.announce(
      next
        ? `Marked ${next}: ${this.loops.names[session.selected]}`
        : `Mark removed: ${this.loops.names[session.selected]}`,
    );
  }

  #clearLasso() {
    if (!this.session.focus.lasso) return;
    this.session.refocus((focus) => (focus.lasso = null));
    this.wire.lasso(null);
  }
}

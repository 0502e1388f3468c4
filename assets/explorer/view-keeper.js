// Saves what the user set in the views of a project, once the hand rests or the page goes. The server keeps it; until it
// has, this browser does, because a page that is reloaded may ask before what the page before it posted has arrived.

import { debounce } from "./dom.js";
import { notify } from "./notices.js";
import { forget, overhear, recall, remember } from "./preferences.js";
import { SavedViews } from "./saved-views.js";
import { namedView, readView, viewOf } from "./view-state.js";

const SAVE_AFTER_MS = 800;
const MOST_BYTES = 16_000;
const MOST_NAMED_BYTES = 12_000; // the rest is for what is set now

/** @param {unknown} said */
const bytesOf = (said) => new TextEncoder().encode(JSON.stringify(said)).length;
/** @param {string} project */
const keyOf = (project) => `view.${project}`;

/** @typedef {Pick<ExplorerData, "project" | "view">} Said */

/** The newest view there is of a project: the server's, or what it had not heard yet when the page went. @param {Said} data */
export function newestView({ project, view }) {
  const heard = readView(view);
  const held = project ? readView(recall(keyOf(project), null)) : heard;
  const { named } = held.named.at > heard.named.at ? held : heard;
  return { ...(held.at > heard.at ? held : heard), named };
}

export class ViewKeeper {
  /** @param {Views} views @param {() => Addresses} addresses of now @param {Said} data @param {AbortSignal} signal */
  constructor(views, addresses, data, signal) {
    this.views = views;
    this.addresses = addresses;
    this.project = data.project ?? "";
    this.warned = false;
    this.named = newestView(data).named;
    this.list = new SavedViews({
      save: (name) => this.#name(name),
      apply: (name) => this.#apply(name),
      remove: (name) => this.#rename(this.named.views.filter((view) => view.name !== name)),
    });
    this.list.show(this.named.views);
    this.saved = this.#text();
    if (!this.project) return;
    views.filters.choices.body.append(this.list.element);
    this.later = debounce(() => this.save(), SAVE_AFTER_MS);
    views.session.on("view focus", this.later);
    window.addEventListener("pagehide", () => this.save(), { signal });
    document.addEventListener("loopscope:connection", ({ detail }) => detail.up && this.save(), { signal });
    signal.addEventListener("abort", this.later.cancel);
    overhear(keyOf(this.project), (view) => this.learn(view), signal);
    const held = recall(keyOf(this.project), null);
    if (!held) return;
    this.saved = "";
    this.later();
  }

  /** Take over views that got their names elsewhere. @param {unknown} view as it was saved */
  learn(view) {
    const { named } = readView(view);
    if (named.at <= this.named.at) return;
    const unsaved = this.saved !== this.#text();
    this.named = named;
    this.list.show(named.views);
    if (!unsaved) this.saved = this.#text();
  }

  save() {
    const text = this.#text();
    if (!this.project || text === this.saved) return;
    this.saved = text;
    const view = { at: Date.now(), ...JSON.parse(text) };
    if (bytesOf(view) > MOST_BYTES) view.lasso = null;
    if (bytesOf(view) > MOST_BYTES) return this.#warn();
    remember(keyOf(this.project), view);
    this.#send(view).catch(() => {
      this.saved = ""; // said again at the next change, or when the connection is back
    });
  }

  #text() {
    return JSON.stringify(viewOf(this.views, this.named));
  }

  /** @param {{ at: number }} view */
  async #send(view) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(view);
    const { base, token } = this.addresses();
    const { ok } = await fetch(`${base}ls/view/${token}`, { method: "POST", headers, body, keepalive: true });
    if (!ok) this.saved = "";
    else if (readView(recall(keyOf(this.project), null)).at === view.at) forget(keyOf(this.project));
  }

  #warn() {
    if (!this.warned)
      notify("Filters and zoom are not remembered, because they take more than 16 kB: delete a saved view.");
    this.warned = true;
  }

  /** Keep the view of now under a name; returns why not, "" where it is kept. @param {string} name */
  #name(name) {
    const others = this.named.views.filter((view) => view.name !== name);
    const views = [...others, readView({ named: { views: [namedView(this.views, name)] } }).named.views[0]];
    if (bytesOf(views) > MOST_NAMED_BYTES)
      return `“${name}” was not saved, because saved views take at most 12 kB: delete one first.`;
    this.#rename(views);
    return "";
  }

  /** @param {import("./view-state.js").NamedView[]} views */
  #rename(views) {
    this.named = { at: Math.max(Date.now(), this.named.at + 1), views };
    this.list.show(views);
    this.save();
  }

  /** Filters, search and order of a view; the threshold stays. @param {string} name */
  #apply(name) {
    const view = this.named.views.find((view) => view.name === name);
    if (!view) return;
    this.views.filters.restore(view);
    this.views.ranking.restore(view.mode, null);
  }
}

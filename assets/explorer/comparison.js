// Loops to hear beside the selected one: the nearest normal, the most central, and more like it. The explorer sounds
// them (bridge.js); what is selected stays selected until a name is clicked.

import { h, icon, iconButton } from "./dom.js";
import { applyTheme, readTheme } from "./theme.js";
import { loadStyles } from "./transport.js";

const shown = new Map(); // key → list

/** Show or update; returns what Streamlit is to call when the component leaves the page. */
export function mount(component, base) {
  const { data, parentElement: parent } = component;
  let list = shown.get(data.key);
  if (!list) shown.set(data.key, (list = new Comparison()));
  loadStyles(`${base}${data.assets}/explorer.css`).then(() => loadStyles(`${base}${data.assets}/comparison.css`));
  if (list.root.parentElement !== parent) parent.append(list.root);
  list.show(data);
  return () => {
    if (list.root.parentElement !== parent) return; // it lives elsewhere already
    list.close();
    shown.delete(data.key);
  };
}

const ask = (name, detail) => document.dispatchEvent(new CustomEvent(`loopscope:${name}`, { detail }));

class Comparison {
  constructor() {
    this.root = h("div", { class: "ls-root ls-comparison" });
    this.ending = new AbortController();
    document.addEventListener("loopscope:sounding", ({ detail }) => this.#sounding(detail.id), {
      signal: this.ending.signal,
    });
  }

  close() {
    this.ending.abort();
    this.root.remove();
  }

  show({ beside, similar }) {
    applyTheme(this.root, readTheme(this.root));
    const said = JSON.stringify([beside, similar]);
    if (said === this.said) return;
    this.said = said;
    this.buttons = [];
    this.root.replaceChildren(
      h(
        "div",
        { class: "ls-beside" },
        beside.map((loop) => this.#card(loop)),
      ),
      h("h3", {}, "More like this"),
      h(
        "ol",
        { class: "ls-similar", "aria-label": "Most similar loops, nearest first" },
        similar.map((loop) => this.#row(loop)),
      ),
    );
    ask("prefetch", { ids: beside.map(({ id }) => id) });
    this.#sounding(this.id ?? null);
  }

  #card(loop) {
    return h(
      "div",
      { class: "ls-card", "data-role": loop.role },
      this.#play(loop, loop.title),
      h("span", { class: "ls-note" }, loop.title),
      this.#name(loop),
      h("span", { class: "ls-note" }, loop.note),
    );
  }

  #row(loop) {
    return h(
      "li",
      { class: "ls-like" },
      this.#play(loop, "Play"),
      this.#name(loop),
      h("span", { class: loop.flagged ? "ls-note ls-is-flagged" : "ls-note" }, loop.note),
    );
  }

  #play(loop, title) {
    const button = iconButton("play", `${title}: ${loop.name}`, () => ask("play", { id: loop.id }), {
      "data-loop": loop.id,
      "aria-pressed": "false",
      onpointerenter: () => ask("prefetch", { ids: [loop.id] }),
    });
    this.buttons.push(button);
    return button;
  }

  /** Clicking a name selects that loop, and the page explains it instead. */
  #name(loop) {
    const select = () => ask("select", { id: loop.id });
    return h("button", { type: "button", class: "ls-link", title: `Select ${loop.name}`, onclick: select }, loop.name);
  }

  #sounding(id) {
    this.id = id;
    for (const button of this.buttons ?? []) {
      const plays = button.dataset.loop === id;
      button.setAttribute("aria-pressed", String(plays));
      button.replaceChildren(icon(plays ? "stop" : "play"));
    }
  }
}

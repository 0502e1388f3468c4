// Loops to hear beside the selected one: the nearest normal, the most central, those that play the same riff, and more
// like it. The explorer sounds
// them (bridge.js); what is selected stays selected until a name is clicked.

import { button, h, icon, iconButton } from "./dom.js";
import { applyTheme } from "./theme.js";
import { loadStyles } from "./transport.js";

/** @type {Map<string, Comparison>} by key */
const shown = new Map();

/**
 * Show or update; returns what Streamlit is to call when the component leaves the page.
 * @param {Component<ComparisonData>} component
 * @param {string} base
 */
export function mount(component, base) {
  const { data, parentElement: parent } = component;
  const list = shown.get(data.key) ?? new Comparison();
  shown.set(data.key, list);
  loadStyles(base + data.assets, "explorer", "comparison");
  if (list.root.parentElement !== parent) parent.append(list.root);
  list.show(data);
  return () => {
    if (list.root.parentElement !== parent) return; // it lives elsewhere already
    list.close();
    shown.delete(data.key);
  };
}

/** @param {string} name @param {object} detail */
const ask = (name, detail) => document.dispatchEvent(new CustomEvent(`loopscope:${name}`, { detail }));

class Comparison {
  constructor() {
    /** @type {string | null} what sounds */
    this.id = null;
    this.said = "";
    this.root = h("div", { class: "ls-root ls-comparison" });
    this.ending = new AbortController();
    const { signal } = this.ending;
    document.addEventListener("loopscope:sounding", ({ detail }) => this.#sounding(detail.id), { signal });
  }

  close() {
    this.ending.abort();
    this.root.remove();
  }

  /** @param {ComparisonData} data */
  show({ beside, similar, kin, keeper }) {
    applyTheme(this.root);
    const said = JSON.stringify([beside, similar, kin, keeper]);
    if (said === this.said) return;
    this.said = said;
    const cards = beside.map((loop) => this.#card(loop));
    const parts = [
      h("div", { class: "ls-beside" }, cards),
      ...this.#list("The same riff", "Loops that play the same riff, the most alike first", kin, "ls-similar ls-kin"),
      ...(keeper ? [h("p", { class: "ls-note" }, keeper)] : []),
      ...this.#list("More like this", "Most similar loops, nearest first", similar),
    ];
    this.root.replaceChildren(...parts);
    ask("prefetch", { ids: beside.map(({ id }) => id) });
    this.#sounding(this.id);
  }

  /** @param {ComparisonLoop} loop */
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

  /** A heading and its list, or nothing. @param {string} title @param {string} label @param {ComparisonLoop[]} loops @param {string} style */
  #list(title, label, loops, style = "ls-similar") {
    if (!loops.length) return [];
    const rows = loops.map((loop) => this.#row(loop));
    return [h("h3", {}, title), h("ol", { class: style, "aria-label": label }, rows)];
  }

  /** A loop of another folder is heard there. @param {ComparisonLoop} loop */
  #row(loop) {
    const title = `Open ${loop.name} in its folder`;
    return h(
      "li",
      { class: "ls-like" },
      loop.address ? icon("open") : this.#play(loop, "Play"),
      loop.address ? h("a", { class: "ls-link", href: loop.address, title }, loop.name) : this.#name(loop),
      h("span", { class: loop.flagged ? "ls-note ls-is-flagged" : "ls-note" }, loop.note),
    );
  }

  /** @param {ComparisonLoop} loop @param {string} title */
  #play(loop, title) {
    return iconButton("play", `${title}: ${loop.name}`, () => ask("play", { id: loop.id }), {
      "data-loop": loop.id,
      "aria-pressed": "false",
      onpointerenter: () => ask("prefetch", { ids: [loop.id] }),
    });
  }

  /** Clicking a name selects that loop, and the page explains it instead. @param {ComparisonLoop} loop */
  #name(loop) {
    const select = () => ask("select", { id: loop.id });
    return button(loop.name, { class: "ls-link", title: `Select ${loop.name}`, onclick: select });
  }

  /** @param {string | null} id */
  #sounding(id) {
    this.id = id;
    for (const play of this.root.querySelectorAll("[data-loop]")) {
      const plays = play.getAttribute("data-loop") === id;
      play.setAttribute("aria-pressed", String(plays));
      play.replaceChildren(icon(plays ? "stop" : "play"));
    }
  }
}

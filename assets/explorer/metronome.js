// Either of two tempi over the selected loop: which of them fits is heard at once. The explorer sounds it (bridge.js).

import { button, h } from "./dom.js";
import { applyTheme } from "./theme.js";
import { loadStyles } from "./transport.js";

/** @type {Map<string, Metronome>} by key */
const shown = new Map();

/**
 * Show or update; returns what Streamlit is to call when the component leaves the page.
 * @param {Component<MetronomeData>} component
 * @param {string} base
 */
export function mount(component, base) {
  const { data, parentElement: parent } = component;
  const metronome = shown.get(data.key) ?? new Metronome();
  shown.set(data.key, metronome);
  loadStyles(base + data.assets, "explorer", "comparison");
  if (metronome.root.parentElement !== parent) parent.append(metronome.root);
  metronome.show(data);
  return () => {
    if (metronome.root.parentElement !== parent) return; // it lives elsewhere already
    metronome.close();
    shown.delete(data.key);
  };
}

class Metronome {
  constructor() {
    this.id = "";
    this.drawn = "";
    /** @type {Sounding} */
    this.sounding = { id: null, click: null, streams: false };
    this.root = h("div", { class: "ls-root ls-metronome", role: "group", "aria-label": "Metronome" });
    this.ending = new AbortController();
    document.addEventListener("loopscope:sounding", ({ detail }) => this.#press(detail), {
      signal: this.ending.signal,
    });
  }

  close() {
    this.ending.abort();
    this.root.remove();
  }

  /** @param {MetronomeData} data */
  show({ id, tempi }) {
    applyTheme(this.root);
    const asked = JSON.stringify([id, tempi]);
    if (asked === this.drawn) return; // a button keeps the keyboard's focus
    this.drawn = asked;
    this.id = id;
    const buttons = tempi.map(({ bpm, said }) =>
      button(`${said} BPM`, {
        "aria-pressed": "false",
        "data-bpm": bpm,
        "data-said": said,
        onclick: () => document.dispatchEvent(new CustomEvent("loopscope:click", { detail: { id: this.id, bpm } })),
      }),
    );
    this.root.replaceChildren(h("span", { class: "ls-note" }, "Metronome"), ...buttons);
    this.#press(this.sounding);
  }

  /** @param {Sounding} sounding */
  #press(sounding) {
    this.sounding = sounding;
    for (const node of this.root.querySelectorAll("button")) {
      const isOurs = sounding.id === this.id;
      node.setAttribute("aria-pressed", String(isOurs && Number(node.dataset.bpm) === sounding.click));
      node.disabled = isOurs && sounding.streams;
      node.title = node.disabled
        ? "This file is too long for a metronome: it is streamed while it plays"
        : `Play the loop with a click at ${node.dataset.said} BPM; again: without`;
    }
  }
}

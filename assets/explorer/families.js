// Families: groups of loops that are alike, each with the one to keep. Beside the explorer that sounds them (bridge.js),
// else a player of our own does. Loops of other folders are heard here and open there.

import { button, h, icon, iconButton } from "./dom.js";
import { applyTheme } from "./theme.js";
import { Addresses, loadStyles } from "./transport.js";

/** @type {Map<string, Families>} by key */
const shown = new Map();

/**
 * Show or update; returns what Streamlit is to call when the component leaves the page.
 * @param {Component<FamiliesData>} component
 * @param {string} base
 */
export function mount(component, base) {
  const { data, parentElement: parent } = component;
  const list = shown.get(data.key) ?? new Families();
  shown.set(data.key, list);
  loadStyles(base + data.assets, "explorer", "comparison", "families");
  if (list.root.parentElement !== parent) parent.append(list.root);
  list.show(data, base);
  return () => {
    if (list.root.parentElement !== parent) return; // it lives elsewhere already
    list.close();
    shown.delete(data.key);
  };
}

/** @param {string} name @param {object} detail */
const ask = (name, detail) => document.dispatchEvent(new CustomEvent(`loopscope:${name}`, { detail }));

class Families {
  constructor() {
    /** @type {string | null} what sounds */
    this.id = null;
    this.said = "";
    this.explorer = true;
    this.addresses = new Addresses("", "", "");
    /** @type {HTMLAudioElement | null} where no explorer is on the page */
    this.player = null;
    this.failure = h("p", { class: "ls-note", role: "status" });
    this.groups = h("div", { class: "ls-groups", tabindex: "0", role: "group", "aria-label": "Families" });
    this.root = h("div", { class: "ls-root ls-comparison ls-families" }, this.groups, this.failure);
    this.ending = new AbortController();
    const { signal } = this.ending;
    document.addEventListener("loopscope:sounding", ({ detail }) => this.#sounding(detail.id), { signal });
  }

  close() {
    this.ending.abort();
    this.player?.pause();
    this.root.remove();
  }

  /** @param {FamiliesData} data @param {string} base */
  show({ members, token, explorer }, base) {
    applyTheme(this.root);
    this.explorer = explorer;
    this.addresses = new Addresses(base, token, "");
    const said = JSON.stringify(members);
    if (said === this.said) return;
    this.said = said;
    /** @type {Map<number, FamilyMember[]>} */
    const families = new Map();
    for (const member of members) families.set(member.family, [...(families.get(member.family) ?? []), member]);
    this.groups.replaceChildren(...[...families].map(([family, own]) => this.#family(family, own)));
    this.#sounding(this.id);
  }

  /** @param {number} family @param {FamilyMember[]} members */
  #family(family, members) {
    const rows = members.map((member) => this.#row(member));
    return h("ol", { class: "ls-similar ls-family", "aria-label": `Family ${family}` }, rows);
  }

  /** @param {FamilyMember} member */
  #row(member) {
    const tags = [
      member.keep ? h("span", { class: "ls-tag ls-is-kept" }, "keep") : null,
      member.mark ? h("span", { class: "ls-tag" }, member.mark) : null,
    ];
    const note = [member.note, member.why && `kept: ${member.why}`].filter(Boolean).join(" · ");
    return h(
      "li",
      { class: member.here ? "ls-member" : "ls-member ls-is-elsewhere" },
      this.#play(member),
      h("span", { class: "ls-called" }, this.#name(member), tags),
      h("span", { class: "ls-place", title: member.folder }, member.folder),
      h("span", { class: "ls-note" }, note),
    );
  }

  /** @param {FamilyMember} member */
  #play(member) {
    return iconButton("play", `Play: ${member.name}`, () => this.#asked(member), {
      "data-loop": member.id,
      "aria-pressed": "false",
    });
  }

  /** Clicking a name selects that loop, or opens the folder it lies in. @param {FamilyMember} member */
  #name({ id, name, address, here }) {
    if (!here)
      return h("a", { class: "ls-link", href: address, title: `Open ${name} in its folder` }, name, icon("open"));
    if (!this.explorer) return h("span", { class: "ls-link" }, name);
    return button(name, { class: "ls-link", title: `Select ${name}`, onclick: () => ask("select", { id }) });
  }

  /** @param {FamilyMember} member */
  #asked({ id, name, seconds }) {
    this.failure.textContent = "";
    if (this.explorer) ask("play", { id, name, seconds });
    else this.#playAlone(id);
  }

  /** @param {string} id */
  async #playAlone(id) {
    const again = this.id === id;
    this.player?.pause();
    this.player = null;
    this.#sounding(null);
    if (again) return;
    const player = Object.assign(new Audio(this.addresses.audio(id)), { loop: true });
    this.player = player;
    try {
      await player.play();
      if (this.player === player) this.#sounding(id);
    } catch {
      if (this.player === player) this.failure.textContent = "This loop cannot be played.";
    }
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

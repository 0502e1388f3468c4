// The views that have a name, in the panel of filters: each can be applied or deleted, and that of now saved.

import { button, h, iconButton } from "./dom.js";

const LONGEST_NAME = 60;

export class SavedViews {
  /** @param {{ save: (name: string) => string, apply: (name: string) => void, remove: (name: string) => void }} does `save` returns why not */
  constructor(does) {
    this.does = does;
    this.list = h("ul", { class: "ls-saved-list" });
    const label = "Save view as …";
    this.name = h("input", { type: "text", maxlength: LONGEST_NAME, placeholder: label, "aria-label": "Save view as" });
    this.said = h("p", { class: "ls-note", role: "status" });
    const form = h("form", { class: "ls-saved-form" }, this.name, h("button", { class: "ls-quiet" }, "Save view"));
    form.addEventListener("submit", (event) => this.#save(event));
    const legend = h("legend", { title: "Filters, search words and order of the list" }, "Saved views");
    this.element = h("fieldset", { class: "ls-filter ls-saved" }, legend, this.list, form, this.said);
  }

  /** @param {{ name: string }[]} views */
  show(views) {
    const items = views.map(({ name }) =>
      h(
        "li",
        {},
        button(name, { title: `Show “${name}”`, onclick: () => this.does.apply(name) }),
        iconButton("close", `Delete the saved view ${name}`, () => this.#remove(name)),
      ),
    );
    this.list.replaceChildren(...items);
    this.list.hidden = !items.length;
  }

  /** The keyboard goes on at the one that moved up, or at the field for a new name. @param {string} name */
  #remove(name) {
    const place = [...this.list.children].findIndex((item) => item.contains(document.activeElement));
    this.does.remove(name);
    const next = this.list.children[Math.min(place, this.list.children.length - 1)];
    /** @type {HTMLElement} */ (next?.querySelector("button:last-child") ?? this.name).focus();
  }

  /** @param {SubmitEvent} event */
  #save(event) {
    event.preventDefault();
    const name = this.name.value.trim();
    if (!name) return;
    const problem = this.does.save(name);
    this.said.textContent = problem || `“${name}” is saved.`;
    if (!problem) this.name.value = "";
  }
}

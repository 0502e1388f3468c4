// One row of the list: its nodes are made once and filled again and again, for whichever loop stands there.

import { BADGES, reasonOf } from "./badges.js";
import { h, icon } from "./dom.js";
import * as format from "./format.js";
import { movedOf } from "./lessons.js";

export class ListRow {
  constructor() {
    this.row = -1;
    this.listens = false; // whether the list stands in the order of listening
    /** @type {Mark | null} */
    this.drawn = null; // the mark
    this.rank = h("span", { class: "ls-rank" });
    this.name = h("span", { class: "ls-name" });
    this.note = h("span", { class: "ls-has-note", hidden: true }, icon("note"));
    this.mark = h("span", { class: "ls-mark" });
    this.score = h("span", { class: "ls-score" });
    this.length = h("span", { class: "ls-length" });
    this.badge = h("span", { class: "ls-badge" });
    this.reason = h("span", { class: "ls-reason" });
    this.tempo = h("span");
    this.key = h("span");
    this.facts = h("span", { class: "ls-metadata" }, this.tempo, h("span", { class: "ls-unit" }, " BPM"), this.key);
    this.spoken = h("span", { class: "ls-spoken" });
    this.element = h(
      "div",
      { role: "option", class: "ls-option" },
      h(
        "span",
        { class: "ls-line" },
        this.rank,
        this.name,
        h("span", { class: "ls-side" }, this.note, this.mark, this.score, this.length),
      ),
      h("span", { class: "ls-line" }, h("span", { class: "ls-why" }, this.badge, this.reason), this.facts),
      this.spoken,
    );
  }

  /**
   * Say all there is to say of a row now.
   * @param {Session} session
   * @param {number} row
   * @param {boolean} ranked with rank and score
   * @param {boolean} listens with what marks made of its place
   */
  fill(session, row, ranked, listens) {
    const { loops } = session;
    const { element } = this;
    const [id, mark, scored] = [loops.ids[row], session.markOf(row), loops.hasScore(row)];
    const pending = session.isPending(id);
    this.row = row;
    this.listens = listens;
    element.dataset.row = String(row);
    element.title = pending ? `Mark not saved yet · ${loops.pathOf(row)}` : loops.pathOf(row);
    element.ariaSelected = String(row === session.selected);
    element.classList.toggle("ls-is-unscored", !scored);
    write(this.rank, ranked && scored ? format.count(loops.rank(row)) : "");
    write(this.name, loops.names[row]);
    write(this.length, format.seconds(loops.durations[row]));
    write(this.score, ranked && scored ? format.score(loops.scores[row]) : "");
    const [tempo, key] = [loops.tempo(row), loops.category("key", row)];
    write(this.tempo, tempo);
    write(this.key, tempo && key ? ` · ${key}` : key);
    this.facts.classList.toggle("ls-is-toneless", !tempo);
    this.#draw(mark, pending);
    this.note.hidden = !session.notes.has(id);
    const said = [mark, pending && "mark not saved yet", session.notes.has(id) && "has a note"];
    write(this.spoken, said.filter(Boolean).join(", "));
    this.judge(session);
  }

  /** Badge and reason, which change while the threshold moves. @param {Session} session */
  judge(session) {
    const badge = session.badgeOf(this.row);
    if (this.element.dataset.badge !== badge) this.element.dataset.badge = badge;
    write(this.badge, BADGES[badge]);
    const moved = this.listens ? movedOf(session, this.row) : "";
    write(this.reason, [moved, reasonOf(session, this.row)].filter(Boolean).join(" · "));
  }

  /** @param {Mark | null} mark @param {boolean} pending */
  #draw(mark, pending) {
    this.mark.className = `ls-mark ls-mark-${mark}${pending ? " ls-is-pending" : ""}`;
    if (this.drawn === mark) return;
    this.drawn = mark;
    this.mark.replaceChildren(...(mark ? [icon(mark)] : []));
  }
}

/** Only what changes is written: a list is filled at every frame that it scrolls. @param {HTMLElement} node @param {string} text */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

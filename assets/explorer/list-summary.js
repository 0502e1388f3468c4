// How many loops the list shows, and of which badges: words and chips that follow the threshold while it moves.

import { BadgeChips } from "./badges.js";
import { h } from "./dom.js";
import * as format from "./format.js";

export class ListSummary {
  /** @param {Ranking} list */
  constructor(list) {
    this.list = list;
    this.chips = new BadgeChips(list.session);
    this.element = h("p", { class: "ls-summary" });
  }

  show() {
    const counts = this.list.session.counts();
    this.chips.show(counts);
    const said = this.#words(counts.flagged);
    if (this.element.textContent !== said) this.element.textContent = said;
  }

  /** @param {number} flaggedInFocus */
  #words(flaggedInFocus) {
    const { session, rows, mode } = this.list;
    const { group, active } = session.focus;
    const shown = format.loops(rows.length);
    if (group) return `${group.label}: ${shown}, playing ${group.index + 1} of ${group.rows.length}`;
    if (!rows.length && mode === "similar") return "Select a loop to list those that are like it.";
    if (!rows.length) return "No loop matches. Clear a filter to see more.";
    const all = session.loops.n;
    const loops = rows.length < all ? `${format.count(rows.length)} of ${format.loops(all)}` : shown;
    const flagged = `${format.count(session.flagged)} flagged`;
    if (!session.loops.scored) return loops;
    return `${loops} · ${active ? `${format.count(flaggedInFocus)} of ` : ""}${flagged}`;
  }
}

// What a loop is held for, at the threshold of now, and why, in words; and the row of chips that filter by it.

import { button, h } from "./dom.js";
import * as format from "./format.js";
import { NOT_SCORED } from "./loops.js";

/** @type {Record<Judged, string>} */
export const BADGES = { faulty: "Faulty", interesting: "Interesting", normal: "Normal", unscored: "" };
/** @type {Record<Badge, string>} */
const TITLES = {
  faulty: "A signal check is sure of a fault",
  interesting: "Stands out more than the threshold asks for",
  normal: "Neither",
};

/** The main reason for the badge of a row, "" where there is none to give. @param {Session} session @param {number} row */
export function reasonOf(session, row) {
  const { loops } = session;
  const brief = loops.briefs[row] ?? "";
  if (session.badgeOf(row) === "interesting") return [standsOut(loops, row), brief].filter(Boolean).join(" · ");
  return brief || (loops.hasScore(row) ? "" : NOT_SCORED);
}

/** @param {Loops} loops @param {number} row */
function standsOut(loops, row) {
  if (loops.rank(row) === 1) return "stands out most";
  return `stands out more than ${Math.min(99, Math.floor(loops.percentileAt(loops.scores[row])))} %`;
}

/** Badge and reason, as they are spoken. @param {Session} session @param {number} row */
export const spokenBadge = (session, row) =>
  [BADGES[session.badgeOf(row)], reasonOf(session, row)].filter(Boolean).join(", ");

export class BadgeChips {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.chips = /** @type {Badge[]} */ (Object.keys(TITLES)).map((badge) => ({ badge, chip: this.#chip(badge) }));
    this.element = h(
      "div",
      { class: "ls-badge-chips", role: "group", "aria-label": "Show only" },
      this.chips.map(({ chip }) => chip),
    );
  }

  /** How many there are of each, and which are shown. @param {Record<Badge, number>} counts */
  show(counts) {
    for (const { badge, chip } of this.chips) {
      const said = `${BADGES[badge]} ${format.count(counts[badge])}`;
      if (chip.textContent !== said) chip.textContent = said;
      chip.ariaPressed = String(this.session.focus.badges.has(badge));
    }
  }

  /** @param {Badge} badge */
  #chip(badge) {
    const { session } = this;
    const toggle = () => session.refocus(({ badges }) => badges.delete(badge) || badges.add(badge));
    return button("", { class: "ls-quiet ls-badge-chip", "data-badge": badge, title: TITLES[badge], onclick: toggle });
  }
}

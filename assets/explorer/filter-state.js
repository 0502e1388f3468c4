// Filters as they are kept: in the view of a project, and in the views that the user named. What an older or newer version
// wrote is read as far as it is understood, and the rest passed over.

const LONGEST_TEXT = 500;
const MOST_CHOICES = 64;
/** @type {Record<"marked" | "badges", readonly string[]>} */
const KNOWN = { marked: ["none", "keep", "quarantine", "love"], badges: ["faulty", "interesting", "normal"] };

/**
 * @typedef {object} SavedFilters
 * @property {string} search
 * @property {Record<string, string>} categories
 * @property {Record<string, [number, number | null]>} ranges null: open
 * @property {string[]} unknown
 * @property {string[]} kinds
 * @property {boolean} unsure
 * @property {(Mark | "none")[]} marked
 * @property {boolean} noted
 * @property {Badge[]} badges
 */

/** @param {any} value @returns {[string, any][]} */
export const entriesOf = (value) =>
  value && typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : [];
/** @param {any} value */
export const textOf = (value) => (typeof value === "string" ? value.slice(0, LONGEST_TEXT) : "");
/** @param {any} value @returns {string[]} */
const textsOf = (value) =>
  (Array.isArray(value) ? value : []).filter((text) => typeof text === "string").slice(0, MOST_CHOICES);

/** What is understood of saved filters. @param {Record<string, any>} known @returns {SavedFilters} */
export function readFilters(known) {
  const marked = Array.isArray(known.marked) ? known.marked : [known.mark]; // it was one mark once
  return {
    search: textOf(known.search),
    // A fault was one level of a column once, such as "hum, noise": today's kinds have other names.
    categories: Object.fromEntries(
      entriesOf(known.categories).filter(([column, level]) => typeof level === "string" && column !== "fault"),
    ),
    ranges: Object.fromEntries(
      entriesOf(known.ranges).flatMap(([column, ends]) => {
        const [low, high] = Array.isArray(ends) ? ends : [];
        return Number.isFinite(low) ? [[column, [low, Number.isFinite(high) ? high : null]]] : [];
      }),
    ),
    unknown: textsOf(known.unknown),
    kinds: textsOf(known.kinds),
    unsure: known.unsure === true,
    marked: /** @type {(Mark | "none")[]} */ (textsOf(marked).filter((mark) => KNOWN.marked.includes(mark))),
    noted: known.noted === true,
    badges: /** @type {Badge[]} */ (textsOf(known.badges).filter((badge) => KNOWN.badges.includes(badge))),
  };
}

/** The filters that hold, as JSON can hold them; without lasso, bar and band. @param {Focus} focus @param {string} search @returns {SavedFilters} */
export function filtersOf(focus, search) {
  return {
    search: search.slice(0, LONGEST_TEXT),
    categories: Object.fromEntries(focus.categories),
    ranges: Object.fromEntries(
      [...focus.ranges].map(([column, [low, high]]) => [column, [low, Number.isFinite(high) ? high : null]]),
    ),
    unknown: [...focus.unknown],
    kinds: [...focus.kinds],
    unsure: focus.unsure,
    marked: [...focus.marked],
    noted: focus.noted,
    badges: [...focus.badges],
  };
}

/** Let these filters hold and no other. @param {Focus} focus @param {SavedFilters} saved */
export function applyFilters(focus, saved) {
  focus.clear();
  focus.search(saved.search);
  for (const [column, level] of Object.entries(saved.categories)) focus.categories.set(column, level);
  for (const [column, [low, high]] of Object.entries(saved.ranges)) focus.ranges.set(column, [low, high ?? Infinity]);
  focus.unknown = new Set(saved.unknown);
  for (const kind of saved.kinds) focus.kinds.add(kind);
  for (const mark of saved.marked) focus.marked.add(mark);
  for (const badge of saved.badges) focus.badges.add(badge);
  focus.unsure = saved.unsure;
  focus.noted = saved.noted;
}

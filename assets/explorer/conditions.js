// The filters in words: what there is to filter by, and what holds now.

/** @type {[string, string, string][]} column, what it is called, and all of it */
export const CATEGORIES = [
  ["folder", "Folder", "All folders"],
  ["instrument", "Instrument", "Any instrument"],
  ["genre", "Genre", "Any genre"],
  ["category", "Category", "All categories"],
  ["key", "Key", "Any key"],
];

/** @typedef {{ column: string, label: string, spoken: string, unit: string, help: string, min: number, max: number, step: number }} Measured */

/** @type {Measured[]} */
export const MEASURED = [
  { column: "bpm", label: "Tempo", spoken: "Tempo in BPM", unit: "BPM", help: "", min: 0, max: 400, step: 1 },
  {
    column: "duration",
    label: "Length",
    spoken: "Length in seconds",
    unit: "s",
    help: "",
    min: 0,
    max: 36000,
    step: 0.1,
  },
  {
    column: "loop_structure",
    label: "Loop structure",
    spoken: "Loop structure",
    unit: "",
    help: "How alike the bars are: 1 the same, 0 unlike",
    min: -1,
    max: 1,
    step: 0.05,
  },
];

/** @type {[Mark | "none", string][]} */
export const MARKS = [
  ["keep", "Keep"],
  ["quarantine", "Quarantine"],
  ["love", "Love"],
  ["none", "Unmarked"],
];

export const NOTHING_FOUND = "Nothing found";
export const NOTED = "Has a note";

/** How a level of a column is shown. @param {string} column @param {string} level */
export const levelText = (column, level) => level || (column === "folder" ? "(top folder)" : "(none)");

/** The filters that hold, each with how to take it away. @param {Focus} focus @returns {{ text: string, remove: (focus: Focus) => unknown }[]} */
export function conditionsOf(focus) {
  /** @type {{ text: string, remove: (focus: Focus) => unknown }[]} */
  const conditions = [];
  const add = (/** @type {string} */ text, /** @type {(focus: Focus) => unknown} */ remove) =>
    conditions.push({ text, remove });
  if (focus.kinds.size) add(faultText(focus), ({ kinds }) => kinds.clear());
  if (focus.marked.size) {
    const marks = MARKS.filter(([mark]) => focus.marked.has(mark)).map(([, text]) => text);
    add(`Mark: ${marks.join(", ")}`, ({ marked }) => marked.clear());
  }
  if (focus.noted) add(NOTED, (of) => Object.assign(of, { noted: false }));
  for (const [column, level] of focus.categories) {
    const [, label] = CATEGORIES.find(([known]) => known === column) ?? [];
    const text = levelText(column, level);
    add(label ? `${label}: ${text}` : text, ({ categories }) => categories.delete(column));
  }
  for (const [column, span] of focus.ranges)
    add(rangeText(column, span, focus.unknown.has(column)), ({ ranges }) => ranges.delete(column));
  return conditions;
}

/** @param {Focus} focus */
function faultText({ kinds, unsure }) {
  const titles = [...kinds].map((kind) => kind || NOTHING_FOUND);
  return `Fault: ${titles.join(", ")}${unsure ? ", also unsure" : ""}`;
}

/** @param {string} column @param {Span} span @param {boolean} keepUnknown */
function rangeText(column, [low, high], keepUnknown) {
  const known = MEASURED.find((measured) => measured.column === column);
  const from = known && low > known.min ? low : null;
  const to = Number.isFinite(high) ? high : null;
  const ends = from !== null && to !== null ? `${from} to ${to}` : from !== null ? `from ${from}` : `up to ${to}`;
  const span = from === null && to === null ? "known" : `${ends} ${known?.unit ?? ""}`.trim();
  return `${known?.label ?? column}: ${span}${keepUnknown ? " or unknown" : ""}`;
}

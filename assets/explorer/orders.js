// In which order the list stands. A mode names an order, with a minus before it where it is turned round. Rows of which
// the value is not known come last either way; equal ones come in the order "Listen first".

/**
 * @typedef {object} Order
 * @property {string} name
 * @property {string} label
 * @property {string} title
 * @property {readonly [string, string]} [ways] what it says of itself, as it is and turned round; none: it has one way only
 */

/** @type {Order[]} */
export const ORDERS = [
  { name: "listen", label: "Listen first", title: "What is most worth hearing first, faults and findings together" },
  { name: "score", label: "Score", title: "By how far a loop stands out", ways: ["Most first", "Least first"] },
  { name: "border", label: "Border", title: "Nearest to the threshold first, and what sounds like nothing you marked" },
  { name: "similar", label: "Similar", title: "Nearest to the selected loop first" },
  { name: "newest", label: "Newest", title: "By when the file was changed", ways: ["Newest first", "Oldest first"] },
  { name: "name", label: "Name", title: "By file name", ways: ["A to Z", "Z to A"] },
  { name: "duration", label: "Duration", title: "By length", ways: ["Short first", "Long first"] },
  { name: "bpm", label: "BPM", title: "By tempo", ways: ["Slow first", "Fast first"] },
  { name: "key", label: "Key", title: "By key", ways: ["A to G", "G to A"] },
];
/** @type {Record<string, string>} modes that older views were saved with */
const RENAMED = { ranking: "score" };
const DIGITS = 12; // enough for any number in a file name

/** @type {Record<string, (loops: Loops) => ArrayLike<number>>} a value per row, the least first; NaN where unknown */
const VALUES = {
  score: ({ scores }) => scores.map((score) => -score),
  newest: ({ modified }) => modified.map((seconds) => -seconds || NaN),
  name: ({ names }) => placesOf(names),
  duration: ({ durations }) => durations.map((seconds) => seconds || NaN),
  bpm: (loops) => Float32Array.from(loops.ids, (_, row) => loops.number("bpm", row) || NaN),
  key: (loops) => {
    const places = placesOf(loops.levels.key ?? []);
    return Float32Array.from(loops.ids, (_, row) => places[loops.points["code:key"]?.[row] ?? -1] ?? NaN);
  },
};

/** @type {WeakMap<Int32Array, Map<string, Int32Array>>} sorted once, for one order "Listen first" */
const kept = new WeakMap();

/** The order that a mode names, and whether it is turned round. @param {string} mode */
export function orderOf(mode) {
  const name = mode.replace(/^-/, "");
  const order = ORDERS.find((order) => order.name === (RENAMED[name] ?? name));
  return order && { order, turned: Boolean(order.ways) && mode.startsWith("-") };
}

/** The mode of an order. @param {string} name @param {boolean} turned */
export const modeOf = (name, turned) => (turned ? `-${name}` : name);

/** What was saved as a mode, by its name of today; null for what is none. @param {string} mode */
export function modeOfToday(mode) {
  const known = orderOf(mode);
  return known ? modeOf(known.order.name, known.turned) : null;
}

/** All rows in the order of a mode that does not depend on threshold or selection. @param {string} mode @param {Loops} loops */
export function rowsBy(mode, loops) {
  const orders = kept.get(loops.listen) ?? new Map();
  kept.set(loops.listen, orders);
  const rows = orders.get(mode) ?? sorted(mode, loops);
  orders.set(mode, rows);
  return rows;
}

/** @param {string} mode @param {Loops} loops */
function sorted(mode, loops) {
  const { listen } = loops;
  const rows = new Int32Array(loops.n);
  for (let row = 0; row < loops.n; row += 1) rows[listen[row] - 1] = row;
  const found = orderOf(mode);
  const values = found && VALUES[found.order.name]?.(loops);
  if (!values) return rows;
  const sign = found.turned ? -1 : 1;
  const known = rows.filter((row) => !Number.isNaN(values[row]));
  const unknown = rows.filter((row) => Number.isNaN(values[row]));
  known.sort((a, b) => sign * (values[a] - values[b])); // equal ones stay as they stand
  rows.set(known);
  rows.set(unknown, known.length);
  return rows;
}

/**
 * Ranks by row (1 = first) as they are taught, but rows that stay keep those of now.
 * @param {Int32Array} now
 * @param {Int32Array} taught
 * @param {(row: number) => boolean} stays
 */
export function heldRanks(now, taught, stays) {
  const rows = new Int32Array(taught.length);
  const ranks = new Int32Array(taught.length);
  const taken = new Uint8Array(taught.length + 1);
  for (let row = 0; row < taught.length; row += 1) {
    rows[taught[row] - 1] = row;
    if (!stays(row)) continue;
    ranks[row] = now[row];
    taken[now[row]] = 1;
  }
  let rank = 1;
  for (const row of rows) {
    if (ranks[row]) continue;
    while (taken[rank]) rank += 1;
    ranks[row] = rank;
    rank += 1;
  }
  return ranks;
}

/** Where each text stands among all of them, from 0: numbers in it by their size, case and accents left aside. @param {string[]} texts */
function placesOf(texts) {
  const keys = texts.map(readable);
  const order = Int32Array.from(texts, (_, i) => i).sort((a, b) =>
    keys[a] < keys[b] ? -1 : Number(keys[a] > keys[b]),
  );
  const places = new Int32Array(texts.length);
  let place = 0;
  for (const [i, at] of order.entries()) {
    if (i && keys[order[i - 1]] !== keys[at]) place = i;
    places[at] = place;
  }
  return places;
}

/** A text that sorts by code as people sort it. @param {string} text */
function readable(text) {
  const plain = /^[ -~]*$/.test(text) ? text : text.normalize("NFKD").replace(/\p{M}/gu, "");
  return plain.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(DIGITS, "0"));
}

// How many loops each choice of a filter would give, under all the other filters that hold. A bar or band that is picked
// does not count: the next click picks another.

/** @param {Focus} focus @param {string} column @returns {number[]} by code of the column's levels */
export function countLevels(focus, column) {
  const { loops } = focus;
  const counts = new Array(loops.levels[column]?.length ?? 0).fill(0);
  const codes = loops.points[`code:${column}`];
  if (codes) each(focus, column, (row) => codes[row] >= 0 && counts[codes[row]]++);
  return counts;
}

/** @param {Focus} focus @returns {number[]} by kind of fault, and at the end those of which nothing was found */
export function countKinds(focus) {
  const { loops, unsure } = focus;
  const counts = new Array(loops.faultKinds.length + 1).fill(0);
  each(focus, "kinds", (row) => {
    let found = loops.found(row, unsure);
    if (!found) counts[loops.faultKinds.length] += 1;
    for (; found; found &= found - 1) counts[31 - Math.clz32(found & -found)] += 1;
  });
  return counts;
}

/** @param {Focus} focus @returns {Record<Mark | "none", number>} */
export function countMarks(focus) {
  const counts = { keep: 0, quarantine: 0, love: 0, none: 0 };
  const { loops, marks } = focus;
  each(focus, "marked", (row) => counts[marks.get(loops.ids[row]) ?? "none"]++);
  return counts;
}

/** How many have a note. @param {Focus} focus */
export function countNoted(focus) {
  const rows = Array.from(focus.notes, (id) => focus.loops.row(id));
  return rows.filter((row) => row >= 0 && focus.hasWithout("noted", row)).length;
}

/** Of how many a measured column knows nothing. @param {Focus} focus @param {string} column */
export function countUnknown(focus, column) {
  const values = focus.loops.numbers(column);
  let count = 0;
  each(focus, column, (row) => {
    if (!values || Number.isNaN(values[row])) count += 1;
  });
  return count;
}

/** Every row that the conditions but one leave. @param {Focus} focus @param {string} name @param {(row: number) => unknown} task */
function each(focus, name, task) {
  for (let row = 0; row < focus.loops.n; row += 1) if (focus.hasWithout(name, row)) task(row);
}

// Which loops are in focus: search words, filters, one bar or heatmap band, lasso. All conditions hold together; what
// is out of focus greys out, never vanishes.

export class Focus {
  /**
   * @param {Loops} loops
   * @param {Map<string, Mark>} marks
   * @param {(row: number) => Judged} badgeOf at the threshold of now
   * @param {Set<string>} notes ids of the loops that have one
   */
  constructor(loops, marks, badgeOf = () => "normal", notes = new Set()) {
    this.loops = loops;
    this.marks = marks;
    this.badgeOf = badgeOf;
    this.notes = notes;
    /** @type {Set<Badge>} any of these; none: all */
    this.badges = new Set();
    /** @type {string[]} */
    this.words = [];
    /** @type {Map<string, string>} column → level */
    this.categories = new Map();
    /** @type {Map<string, Span>} column → [low, high] */
    this.ranges = new Map();
    /** @type {Set<string>} columns where a range keeps what is unknown too */
    this.unknown = new Set();
    /** @type {Set<string>} kinds of fault, any of these; "": none was found */
    this.kinds = new Set();
    this.unsure = false; // whether findings count of which the checks are not sure
    /** @type {Set<Mark | "none">} any of these */
    this.marked = new Set();
    this.noted = false; // only what has a note
    /** @type {Group | null} */
    this.group = null;
    /** @type {Uint8Array | null} one where a row lies inside */
    this.lasso = null;
    /** @type {Uint8Array | null} one where a row is in focus; null while every row is */
    this.mask = null;
    /** @type {Map<string, Uint8Array>} by condition, without the group: one where it leaves a row out */
    this.leftOut = new Map();
    /** @type {Uint8Array | null} how many of these conditions leave a row out */
    this.misses = null;
    this.count = loops.n;
    /** @type {string[] | null} folder and name of every row, in lower case */
    this.haystack = null;
  }

  /** @param {number} row */
  has(row) {
    return this.mask === null || this.mask[row] === 1;
  }

  get active() {
    return this.mask !== null;
  }

  /**
   * Go over to other loops: what holds by name holds on, lasso and group keep their loops.
   * @param {Loops} loops
   * @param {(row: number) => number} moved where a row of the loops before is now, −1 where it is gone
   */
  adopt(loops, moved) {
    const { lasso, group } = this;
    this.loops = loops;
    this.haystack = null;
    if (lasso) {
      this.lasso = new Uint8Array(loops.n);
      for (let row = 0; row < lasso.length; row += 1) if (lasso[row] && moved(row) >= 0) this.lasso[moved(row)] = 1;
    }
    if (group) this.group = regrouped(group, moved);
    this.update();
  }

  /** @param {string} text */
  search(text) {
    this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
  }

  /** Without any condition; whether ranges keep what is unknown is a habit and stays. */
  clear() {
    this.words = [];
    for (const chosen of [this.categories, this.ranges, this.badges, this.kinds, this.marked]) chosen.clear();
    this.unsure = this.noted = false;
    this.group = null;
    this.lasso = null;
  }

  /** Apply the conditions; call after changing them. */
  update() {
    const { n } = this.loops;
    this.leftOut = new Map(this.#conditions());
    const misses = new Uint8Array(n);
    for (const out of this.leftOut.values()) for (let row = 0; row < n; row += 1) misses[row] += out[row];
    this.misses = this.leftOut.size ? misses : null;
    this.mask = this.leftOut.size || this.group ? this.#inside(misses) : null;
    this.count = this.mask ? this.mask.reduce((sum, inside) => sum + inside, 0) : n;
  }

  /** One where a row is in the group, or there is none, and nothing leaves it out. @param {Uint8Array} misses */
  #inside(misses) {
    const { group, loops } = this;
    if (!group) return rowsWhere(loops, (row) => misses[row] === 0);
    const mask = new Uint8Array(loops.n);
    for (const row of group.rows) mask[row] = Number(misses[row] === 0);
    return mask;
  }

  /** In focus if the bar or band that is picked did not count. @param {number} row */
  hasOutside(row) {
    return this.misses === null || this.misses[row] === 0;
  }

  /** In focus if neither the badges nor a picked bar or band counted. @param {number} row */
  inAnyBadge(row) {
    return this.hasWithout("badges", row);
  }

  /** In focus if neither this condition nor a picked bar or band counted. @param {string} name @param {number} row */
  hasWithout(name, row) {
    return this.misses === null || this.misses[row] === (this.leftOut.get(name)?.[row] ?? 0);
  }

  /** What each condition that holds leaves out. @returns {Iterable<[string, Uint8Array]>} */
  *#conditions() {
    const { badges, badgeOf, categories, lasso, loops, ranges, unknown } = this;
    if (lasso) yield ["lasso", rowsWhere(loops, (row) => lasso[row] === 0)];
    for (const [column, level] of categories) yield [column, withoutLevel(loops, column, level)];
    for (const [column, span] of ranges) yield [column, outside(loops, column, span, unknown.has(column))];
    if (this.kinds.size) yield ["kinds", withoutKinds(loops, this.kinds, this.unsure)];
    if (this.marked.size) yield ["marked", withoutMarks(loops, this.marks, this.marked)];
    if (this.noted) yield ["noted", allBut(loops, this.notes)];
    if (badges.size) yield ["badges", rowsWhere(loops, (row) => !badges.has(/** @type {Badge} */ (badgeOf(row))))];
    if (this.words.length) {
      this.haystack ??= loops.names.map((name, row) => `${loops.category("folder", row)}/${name}`.toLowerCase());
      const { words, haystack } = this;
      yield ["words", rowsWhere(loops, (row) => !words.every((word) => haystack[row].includes(word)))];
    }
  }
}

/**
 * The group with its rows where they are now; the one that played last keeps its place in the turn.
 * @param {Group} group
 * @param {(row: number) => number} moved
 * @returns {Group | null} null where all of its loops are gone
 */
function regrouped(group, moved) {
  const rows = group.rows.map(moved);
  const before = rows.slice(0, group.index).filter((row) => row >= 0).length;
  const left = rows.filter((row) => row >= 0);
  return left.length ? { ...group, rows: left, index: Math.min(before, left.length - 1) } : null;
}

/** One where the test says so. @param {Loops} loops @param {(row: number) => boolean} test */
function rowsWhere(loops, test) {
  const rows = new Uint8Array(loops.n);
  for (let row = 0; row < rows.length; row += 1) if (test(row)) rows[row] = 1;
  return rows;
}

/** @param {Loops} loops @param {string} column @param {string} level */
function withoutLevel(loops, column, level) {
  const code = loops.levels[column]?.indexOf(level) ?? -1;
  const codes = loops.points[`code:${column}`];
  return rowsWhere(loops, (row) => code < 0 || codes[row] !== code);
}

/** @param {Loops} loops @param {string} column @param {Span} span @param {boolean} keepUnknown */
function outside(loops, column, [low, high], keepUnknown) {
  const values = loops.numbers(column);
  return rowsWhere(loops, (row) => {
    const value = values ? values[row] : NaN;
    return Number.isNaN(value) ? !keepUnknown : value < low || value > high;
  });
}

/** @param {Loops} loops @param {Set<string>} kinds @param {boolean} unsure */
function withoutKinds(loops, kinds, unsure) {
  let wanted = 0;
  for (const [bit, kind] of loops.faultKinds.entries()) if (kinds.has(kind)) wanted |= 1 << bit;
  const clean = kinds.has("");
  return rowsWhere(loops, (row) => {
    const found = loops.found(row, unsure);
    return !(found & wanted) && !(clean && !found);
  });
}

/** @param {Loops} loops @param {Map<string, Mark>} marks @param {Set<Mark | "none">} chosen */
function withoutMarks(loops, marks, chosen) {
  const out = new Uint8Array(loops.n).fill(Number(!chosen.has("none")));
  for (const [id, mark] of marks) out[loops.row(id)] = Number(!chosen.has(mark)); // what is no loop here, −1, is no row
  return out;
}

/** @param {Loops} loops @param {Set<string>} ids */
function allBut(loops, ids) {
  const out = new Uint8Array(loops.n).fill(1);
  for (const id of ids) out[loops.row(id)] = 0;
  return out;
}

// Which loops are in focus: search words, filters, one bar or heatmap band, lasso. All conditions hold together; what
// is out of focus greys out, never vanishes.

export class Focus {
  /** @param {Loops} loops @param {Map<string, Mark>} marks @param {(row: number) => Badge} badgeOf at the threshold of now */
  constructor(loops, marks, badgeOf = () => "normal") {
    this.loops = loops;
    this.marks = marks;
    this.badgeOf = badgeOf;
    /** @type {Set<Badge>} any of these; none: all */
    this.badges = new Set();
    /** @type {string[]} */
    this.words = [];
    /** @type {Map<string, string>} column → level */
    this.categories = new Map();
    /** @type {Map<string, Span>} column → [low, high] */
    this.ranges = new Map();
    this.mark = "";
    /** @type {Group | null} */
    this.group = null;
    /** @type {Uint8Array | null} one where a row lies inside */
    this.lasso = null;
    /** @type {Uint8Array | null} one where a row is in focus; null while every row is */
    this.mask = null;
    /** @type {Uint8Array | null} the mask without the group */
    this.outer = null;
    /** @type {Uint8Array | null} the mask without group and badges: what the counts of the badges are of */
    this.anyBadge = null;
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

  clear() {
    this.words = [];
    this.categories.clear();
    this.ranges.clear();
    this.mark = "";
    this.badges.clear();
    this.group = null;
    this.lasso = null;
  }

  /** Apply the conditions; call after changing them. */
  update() {
    const tests = this.#tests();
    const { badges, badgeOf } = this;
    const empty = new Uint8Array(this.loops.n);
    this.anyBadge = tests.length ? empty.map((_, row) => (tests.every((test) => test(row)) ? 1 : 0)) : null;
    this.outer = this.anyBadge;
    if (badges.size) this.outer = empty.map((_, row) => (this.inAnyBadge(row) && badges.has(badgeOf(row)) ? 1 : 0));
    this.mask = this.outer;
    if (this.group) {
      this.mask = empty;
      for (const row of this.group.rows) this.mask[row] = this.outer ? this.outer[row] : 1;
    }
    this.count = this.mask ? this.mask.reduce((sum, inside) => sum + inside, 0) : this.loops.n;
  }

  /** In focus if the bar or band that is picked did not count. @param {number} row */
  hasOutside(row) {
    return this.outer === null || this.outer[row] === 1;
  }

  /** In focus if neither the badges nor a picked bar or band counted. @param {number} row */
  inAnyBadge(row) {
    return this.anyBadge === null || this.anyBadge[row] === 1;
  }

  #tests() {
    const { loops, lasso } = this;
    /** @type {((row: number) => boolean)[]} */
    const tests = [];
    if (lasso) tests.push((row) => lasso[row] === 1);
    for (const [column, level] of this.categories) {
      const code = loops.levels[column]?.indexOf(level) ?? -1;
      const codes = loops.points[`code:${column}`];
      tests.push((row) => code >= 0 && codes[row] === code);
    }
    for (const [column, [low, high]] of this.ranges) {
      const values = loops.points[`value:${column}`];
      tests.push((row) => values?.[row] >= low && values[row] <= high);
    }
    if (this.mark === "none") tests.push((row) => !this.marks.has(loops.ids[row]));
    else if (this.mark) tests.push((row) => this.marks.get(loops.ids[row]) === this.mark);
    if (this.words.length) {
      this.haystack ??= loops.names.map((name, row) => `${loops.category("folder", row)}/${name}`.toLowerCase());
      const { words, haystack } = this;
      tests.push((row) => words.every((word) => haystack[row].includes(word)));
    }
    return tests;
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

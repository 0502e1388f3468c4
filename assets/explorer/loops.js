// The loops and their numbers. Rows without a score come first, by name from Z to A; the others are sorted by score,
// ascending: row n−1 is the most anomalous, and the flagged loops are the rows from a cut to the end.

import * as format from "./format.js";
import { heldRanks } from "./orders.js";

const MOST_NEAR = 256; // answers kept
const IQR_OF_NORMAL = 1.349; // standard deviations
const SLICE = 8; // dimensions that are standardised before others get their turn
const SETTLED = 10; // power of what marks leave open: 6 and less teach less, more is no order by the border any longer
export const NOT_SCORED = "not scored yet";

export class Loops {
  /**
   * @param {LoopTable} table
   * @param {Points} points
   * @param {(row: number) => Promise<Int32Array>} askNear promises the rows nearest to a row as Python knows them; used
   *   where the table says that it does
   * @param {((row: number) => Promise<LoopMoments | null>) | null} askMoments promises where a loop is oddest; likewise
   */
  constructor(table, points, askNear, askMoments = null) {
    this.ids = table.ids;
    this.names = table.names;
    this.levels = table.levels;
    this.explained = table.explained;
    this.dimensions = table.dimensions;
    this.totalDimensions = table.totalDimensions;
    this.points = points;
    this.scores = points.scores;
    this.reference = points.reference;
    this.validation = points.validation;
    this.durations = points.durations;
    this.briefs = table.briefs ?? []; // what the signal checks found, in few words
    this.faultKinds = table.faultKinds ?? [];
    this.faults = points.faults ?? new Int32Array(this.ids.length); // bit sets over the kinds: sure, unsure
    this.suspicions = points.suspicions ?? new Int32Array(this.ids.length);
    this.listen = points.listen ?? Int32Array.from(this.ids, (_, row) => this.ids.length - row); // 1 = hear it first
    this.untaught = this.listen; // the same without marks
    /** @type {Lesson | null} what marks made of it */
    this.lesson = null;
    this.modified = points.modified ?? new Float64Array(this.ids.length); // seconds since 1970
    this.n = this.ids.length;
    this.title = table.title ?? "";
    this.unscored = table.unscored ?? 0; // the first row that has a score, and how many have none
    this.scored = this.n - this.unscored;
    this.components = points.coordinates.shape[0];
    /** @type {Matrix | null} (dimensions, n), after addLatents */
    this.latents = null;
    /** @type {{ centre: number, deviation: number }[]} per dimension, after `standardise` */
    this.scales = [];
    this.askNear = table.near ? askNear : null;
    this.askMoments = table.moments ? askMoments : null;
    /** @type {Map<number, Promise<number[]>>} rows near a row */
    this.near = new Map();
    /** @type {Map<string | null, number>} */
    this.rows = new Map(this.ids.map((id, row) => [id, row]));
  }

  /** @param {{ latents: Matrix }} arrays */
  addLatents(arrays) {
    this.latents = arrays.latents;
  }

  /** Go by what marks teach, null: without them. @param {Lesson | null} lesson @param {(row: number) => boolean} stays where it is */
  teach(lesson, stays) {
    this.lesson = lesson;
    this.listen = lesson ? heldRanks(this.listen, lesson.listen, stays) : this.untaught;
  }

  /**
   * Centre and spread per dimension: median, and interquartile range as a standard deviation; outliers move neither. In
   * slices: at 10,000 loops it takes a tenth of a second.
   */
  async standardise() {
    const scales = [];
    for (let d = 0; d < this.dimensions.length; d += 1) {
      const values = this.dimension(d).slice(this.unscored).sort();
      const at = (/** @type {number} */ share) => values[Math.round(share * (values.length - 1))];
      scales.push({ centre: at(0.5), deviation: (at(0.75) - at(0.25)) / IQR_OF_NORMAL || at(1) - at(0) || 1 });
      if (d % SLICE === SLICE - 1) await new Promise((resolve) => setTimeout(resolve));
    }
    this.scales = scales;
  }

  /** Row of a loop_id, −1 where it is unknown. @param {string | null} id */
  row(id) {
    return this.rows.get(id) ?? -1;
  }

  /** @param {number} row */
  hasScore(row) {
    return row >= this.unscored;
  }

  /** Whether a signal check is sure of a fault. @param {number} row */
  isFaulty(row) {
    return this.faults[row] !== 0;
  }

  /** What the signal checks found, as a bit set over the kinds. @param {number} row @param {boolean} unsure whether that counts too of which they are not sure */
  found(row, unsure) {
    return unsure ? this.faults[row] | this.suspicions[row] : this.faults[row];
  }

  /** 1 for the most anomalous loop; without a meaning for a row that has no score. @param {number} row */
  rank(row) {
    return this.n - row;
  }

  /** Rank and score in words. @param {number} row */
  standing(row) {
    if (!this.hasScore(row)) return NOT_SCORED;
    return `rank ${format.count(this.rank(row))} of ${format.count(this.scored)} · score ${format.score(this.scores[row])}`;
  }

  /** Value of a categorical column, "" where unknown. @param {string} column @param {number} row */
  category(column, row) {
    const code = this.points[`code:${column}`]?.[row] ?? -1;
    return code < 0 ? "" : this.levels[column][code];
  }

  /** A numeric column, NaN where unknown; undefined where all of it is. @param {string} column */
  numbers(column) {
    return column === "duration" ? this.durations : this.points[`value:${column}`];
  }

  /** Value of a numeric column, NaN where unknown. @param {string} column @param {number} row */
  number(column, row) {
    return this.numbers(column)?.[row] ?? NaN;
  }

  /** Folder and name. @param {number} row */
  pathOf(row) {
    return [this.category("folder", row), this.names[row]].filter(Boolean).join("/");
  }

  /** Tempo in whole BPM, "" where unknown. @param {number} row */
  tempo(row) {
    const tempo = this.number("bpm", row);
    return tempo > 0 ? String(Math.round(tempo)) : "";
  }

  /** What it is and where it lies, as far as known: "2.3 s · 120 BPM · Em · folder". @param {number} row */
  metadata(row) {
    const tempo = this.tempo(row);
    const parts = [format.seconds(this.durations[row]), tempo && `${tempo} BPM`];
    parts.push(this.category("key", row), this.category("folder", row));
    return parts.filter(Boolean).join(" · ");
  }

  /** Principal component k (from 0) of all loops, as a view without a copy; NaN without a score. @param {number} k */
  component(k) {
    return this.points.coordinates.subarray(k * this.n, (k + 1) * this.n);
  }

  /** Latent dimension d of all loops, once the latents are here; NaN without a score. @param {number} d */
  dimension(d) {
    return /** @type {Matrix} */ (this.latents).subarray(d * this.n, (d + 1) * this.n);
  }

  /** Score at a percentile of the reference scores, linear between ranks; infinite where nothing is scored. @param {number} percentile */
  thresholdAt(percentile) {
    const last = this.reference.length - 1;
    if (last < 0) return Infinity;
    const position = (percentile / 100) * last;
    const below = Math.floor(position);
    const above = Math.min(below + 1, last);
    const [low, high, share] = [this.reference[below], this.reference[above], position - below];
    // As numpy.percentile rounds, to the last bit: a loop whose score is the threshold must not be flagged in one place only.
    return share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share);
  }

  /** The inverse of `thresholdAt`, 0 to 100. @param {number} score */
  percentileAt(score) {
    const last = this.reference.length - 1;
    const above = firstAbove(this.reference, score);
    if (above === 0) return 0;
    if (above > last || last === 0) return 100;
    const [low, high] = [this.reference[above - 1], this.reference[above]];
    return (100 * (above - 1 + (score - low) / (high - low))) / last;
  }

  /** First flagged row: flagged means score > threshold. @param {number} threshold */
  cutAt(threshold) {
    return this.unscored + firstAbove(this.scores.subarray(this.unscored), threshold);
  }

  /**
   * A promise of the rows nearest to a row, nearest first: by embedding where Python knows it, else by latents. None
   * for a row without a score, and none such among them.
   * @param {number} row
   */
  neighbours(row) {
    const known = this.near.get(row);
    if (known) return known;
    const [oldest] = this.near.keys();
    if (this.near.size >= MOST_NEAR) this.near.delete(oldest);
    const rows = this.#neighbours(row);
    this.near.set(row, rows);
    return rows;
  }

  /** @param {number} row */
  async #neighbours(row) {
    if (!this.hasScore(row)) return [];
    if (!this.askNear) return this.#nearestByLatents(row);
    try {
      return [...(await this.askNear(row))].filter((other) => this.hasScore(other));
    } catch {
      this.near.delete(row); // a lost connection: the latents will do, and the next time Python is asked again
      return this.#nearestByLatents(row);
    }
  }

  /** By Euclidean distance of latents, or of coordinates until they are here. @param {number} row */
  #nearestByLatents(row, most = 24) {
    const matrix = this.latents ?? this.points.coordinates;
    const distance = new Float64Array(this.n).fill(Infinity, 0, this.unscored);
    for (let d = 0; d < matrix.shape[0]; d += 1) {
      const values = matrix.subarray(d * this.n, (d + 1) * this.n);
      for (let i = this.unscored; i < this.n; i += 1) distance[i] += (values[i] - values[row]) ** 2;
    }
    distance[row] = Infinity;
    return smallest(distance, Math.min(most, this.scored - 1));
  }

  /**
   * Rows that have a score by its distance to the threshold, nearest first; once something is marked, what marks say
   * nothing of before what sounds like them, for that is where another mark teaches most.
   * @param {number} threshold
   * @param {(row: number) => boolean} keep
   */
  atTheBorder(threshold, keep) {
    if (this.lesson) return this.#mostTelling(threshold, keep, this.lesson.unsure);
    /** @type {number[]} */
    const ordered = [];
    let above = this.cutAt(threshold);
    let below = above - 1;
    while (above < this.n || below >= this.unscored) {
      const up = above < this.n ? this.scores[above] - threshold : Infinity;
      const down = below >= this.unscored ? threshold - this.scores[below] : Infinity;
      const row = up <= down ? above++ : below--;
      if (keep(row)) ordered.push(row);
    }
    return ordered;
  }

  /** @param {number} threshold @param {(row: number) => boolean} keep @param {Float32Array} unsure */
  #mostTelling(threshold, keep, unsure) {
    const far = Float64Array.from(this.scores, (score, row) => Math.abs(score - threshold) / unsure[row] ** SETTLED);
    /** @type {number[]} */
    const rows = [];
    for (let row = this.unscored; row < this.n; row += 1) if (keep(row)) rows.push(row);
    return rows.sort((a, b) => far[a] - far[b]);
  }
}

/** Index of the first element of an ascending array that is greater than `value`. @param {Numbers} ascending @param {number} value */
function firstAbove(ascending, value) {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Indices of the `most` smallest values, smallest first. @param {Numbers} values @param {number} most */
function smallest(values, most) {
  /** @type {number[]} */
  const best = [];
  for (let i = 0; i < values.length; i += 1) {
    if (best.length === most && values[i] >= values[best[most - 1]]) continue;
    let place = best.length;
    while (place > 0 && values[best[place - 1]] > values[i]) place -= 1;
    best.splice(place, 0, i);
    if (best.length > most) best.pop();
  }
  return best;
}

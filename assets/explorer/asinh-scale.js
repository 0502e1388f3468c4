// An axis for values of which few lie far from all others: about linear around the middle, logarithmic far out (asinh, as
// Matplotlib's scale of that name). On a linear axis the others would share one column of pixels.
//
// Plotly has no such axis: it draws places, asinh((value − centre) / width), with ticks that name the values.

const STRETCHED = 10; // whole range over the middle half: of a normal distribution 5 to 7
const KEPT = 0.2; // of the width, by which a scale may be off before the map moves under the eyes
const AROUND = 8; // steps to either side of the middle: further out values of one step lie too near to each other

/** @typedef {{ centre: number, width: number }} AsinhScale median and interquartile range */

/**
 * Of finite values; null where a linear axis shows them well, or where half of them are equal.
 * @param {ArrayLike<number>} values
 * @param {AsinhScale | null} before the scale of now, which stays where it still fits
 * @returns {AsinhScale | null}
 */
export function scaleOf(values, before = null) {
  if (!values.length) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (/** @type {number} */ share) => sorted[Math.round(share * (sorted.length - 1))];
  const scale = { centre: at(0.5), width: at(0.75) - at(0.25) };
  if (!(at(1) - at(0) > STRETCHED * scale.width) || !scale.width) return null;
  const off = before ? Math.max(...changes(scale, before)) : Infinity;
  return off <= KEPT * scale.width ? before : scale;
}

/** @param {AsinhScale} a @param {AsinhScale} b */
const changes = (a, b) => [Math.abs(a.centre - b.centre), Math.abs(a.width - b.width)];

/** Where a value stands on the axis. @param {AsinhScale | null} scale null: linear @param {number} value */
export const placeOf = (scale, value) => (scale ? Math.asinh((value - scale.centre) / scale.width) : value);

/** The value that stands at a place. @param {AsinhScale} scale @param {number} place */
const valueAt = ({ centre, width }, place) => centre + width * Math.sinh(place);

/** @param {AsinhScale | null} scale @param {Float32Array} values @returns {Float32Array} */
export const placesOf = (scale, values) => (scale ? values.map((value) => placeOf(scale, value)) : values);

/**
 * Round values along a part of the axis, the roundest first taken, none nearer to another than a share of that part.
 * @param {AsinhScale} scale
 * @param {Span} places first and last of the part
 * @param {number} most how many there may be
 * @returns {number[]} values, ascending
 */
export function ticksOf(scale, [from, to], most) {
  const [low, high] = [valueAt(scale, from), valueAt(scale, to)];
  const gap = (to - from) / most;
  /** @type {number[]} */
  const taken = [];
  const fits = (/** @type {number} */ value) =>
    value >= low &&
    value <= high &&
    taken.every((other) => Math.abs(placeOf(scale, value) - placeOf(scale, other)) >= gap);
  if (fits(0)) taken.push(0);
  const smallest = Math.min(scale.width / 4, (high - low) / (2 * most));
  for (const step of roundSteps(high - low, smallest)) {
    const middle = Math.round(Math.min(Math.max(scale.centre, low), high) / step);
    for (let k = -AROUND; k <= AROUND; k += 1) {
      const value = Number(((middle + k) * step).toPrecision(12));
      if (fits(value)) taken.push(value);
    }
  }
  return taken.sort((a, b) => a - b);
}

/** 5, 2, 1, 0.5, …: from `largest` down to `smallest`. @param {number} largest @param {number} smallest */
function roundSteps(largest, smallest) {
  const steps = [];
  for (let power = Math.ceil(Math.log10(largest)); 10 ** power * 5 >= smallest; power -= 1)
    for (const digit of [5, 2, 1]) steps.push(digit * 10 ** power);
  return steps.filter((step) => step <= largest && step >= smallest);
}

// Numbers as text, each with its unit.

const counts = new Intl.NumberFormat("en");

/** @param {number} value */
export const count = (value) => counts.format(value);
/** @param {number} value */
export const loops = (value) => `${count(value)} ${value === 1 ? "loop" : "loops"}`;
/** @param {number} ratio */
export const percent = (ratio) => `${(100 * ratio).toFixed(1)} %`;

/** Three significant digits, so that 0.000123 and 12300 both read well. @param {number} value */
export function score(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2);
  return value.toPrecision(3);
}

/** An axis label: two significant digits, no trailing zeros. @param {number} value */
export const tick = (value) =>
  Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(2)));

/** @param {number} value */
export function seconds(value) {
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")} min`;
}

/** How many times: 4.2, 94. @param {number} value */
export const times = (value) => value.toFixed(value < 9.95 ? 1 : 0);

/** @param {number} value */
export const decibels = (value) => `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(1)} dB`;

/** "1st", "22nd", "13th", "95.5th". @param {number} value */
export function ordinal(value) {
  const said = String(Math.round(100 * value) / 100);
  const teens = /1[123]$/.test(said) || said.includes(".");
  const suffix = teens ? "th" : (["th", "st", "nd", "rd"][Number(said.at(-1))] ?? "th");
  return said + suffix;
}

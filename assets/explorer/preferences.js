// How this browser likes to listen: kept between models, pages and visits. Private windows may forbid storage; then
// every visit begins with the defaults.

const PREFIX = "loopscope.";

/** @template Value @param {string} name @param {Value} fallback @returns {Value} */
export function recall(name, fallback) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? "null") ?? fallback;
  } catch {
    return fallback;
  }
}

/** Keep a value and return it. @template Value @param {string} name @param {Value} value */
export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Not kept; it still holds for this visit.
  }
  return value;
}

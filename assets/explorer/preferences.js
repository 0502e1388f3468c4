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

/** @param {string} name */
export function forget(name) {
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // There is nothing to forget.
  }
}

/** Hear what other tabs remember under a name, until `signal` ends it. @param {string} name @param {(value: any) => void} hear @param {AbortSignal} signal */
export function overhear(name, hear, signal) {
  const said = (/** @type {StorageEvent} */ { key, newValue }) =>
    key === PREFIX + name && newValue && hear(parsed(newValue));
  window.addEventListener("storage", said, { signal });
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// A lasso as it is kept: one bit a loop, by ascending loop_id, so that it holds for every model and every order of the
// same loops. With other loops it would hold others, and is passed over.

/** @typedef {{ n: number, digest: number, bits: string }} SavedLasso */

/** @type {WeakMap<Loops, { rows: Int32Array, digest: number }>} rows by ascending loop_id, and what tells these loops from others */
const known = new WeakMap();

/** @param {Loops} loops */
function orderOf(loops) {
  const found = known.get(loops);
  if (found) return found;
  const { ids } = loops;
  const rows = Int32Array.from(ids.keys()).sort((a, b) => (ids[a] < ids[b] ? -1 : 1));
  let digest = 0x811c9dc5; // FNV-1a
  for (const row of rows)
    for (let i = 0; i < ids[row].length; i += 1) digest = Math.imul(digest ^ ids[row].charCodeAt(i), 0x01000193) >>> 0;
  const order = { rows, digest };
  known.set(loops, order);
  return order;
}

/**
 * A mask as a bit set, the first in the lowest bit of the first byte, base64.
 * @template {Uint8Array | null} Mask
 * @param {Mask} mask
 * @returns {Mask extends null ? null : string}
 */
export function packBits(mask) {
  if (!mask) return /** @type {any} */ (null);
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  for (let i = 0; i < mask.length; i += 1) bits[i >> 3] |= mask[i] << (i & 7);
  return /** @type {any} */ (btoa(Array.from(bits, (byte) => String.fromCharCode(byte)).join("")));
}

/** @param {Uint8Array} lasso one where a row lies inside @param {Loops} loops @returns {SavedLasso} */
export function lassoOf(lasso, loops) {
  const { rows, digest } = orderOf(loops);
  return { n: loops.n, digest, bits: packBits(Uint8Array.from(rows, (row) => lasso[row])) };
}

/** What is understood of a saved lasso. @param {any} said @returns {SavedLasso | null} */
export function readLasso(said) {
  const { n, digest, bits } = said ?? {};
  const whole = Number.isInteger(n) && Number.isInteger(digest) && typeof bits === "string";
  return whole && /^[A-Za-z0-9+/]*={0,2}$/.test(bits) && bits.length === 4 * Math.ceil(n / 24)
    ? { n, digest, bits }
    : null;
}

/** One where a row lies inside; null where it was drawn around other loops. @param {SavedLasso} saved @param {Loops} loops */
export function maskOf({ n, digest, bits }, loops) {
  if (n !== loops.n) return null;
  const order = orderOf(loops);
  if (digest !== order.digest) return null;
  const bytes = atob(bits);
  const mask = new Uint8Array(n);
  for (const [i, row] of order.rows.entries()) mask[row] = (bytes.charCodeAt(i >> 3) >> (i & 7)) & 1;
  return mask;
}

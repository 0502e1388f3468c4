// Loops without a browser: what Python would send, in the few numbers a test needs.

import { Loops } from "../../assets/explorer/loops.js";
import { Session } from "../../assets/explorer/session.js";

globalThis.requestAnimationFrame ??= (task) => setTimeout(task, 0);

/** Loops "id0", "id1", ... with ascending `scores`, NaN first; columns: `code:` with `levels`, `value:`. */
export function madeUpLoops(
  scores,
  { points = {}, levels = {}, names, ids, faultKinds, near = null, moments = null, reference, coordinates } = {},
) {
  ids ??= Array.from(scores, (_, row) => `id${row}`);
  const known = Array.from(scores).filter((score) => !Number.isNaN(score));
  const flat = Float32Array.from(coordinates?.flat() ?? scores);
  const table = {
    ids,
    names: names ?? ids,
    levels,
    explained: [1],
    dimensions: [0],
    totalDimensions: 1,
    near: near !== null,
    moments: moments !== null,
    unscored: ids.length - known.length,
    faultKinds,
  };
  const arrays = {
    scores: Float64Array.from(scores),
    reference: Float64Array.from(reference ?? known),
    validation: new Uint8Array(ids.length),
    durations: new Float32Array(ids.length).fill(2.34),
    coordinates: Object.assign(flat, { shape: [flat.length / ids.length, ids.length] }),
    ...points,
  };
  return new Loops(table, arrays, near, moments);
}

/** A session, and the names of all it announces, in order. */
export function madeUpSession(loops, { percentile = 50, selected = null, marks = {}, version = "v1" } = {}) {
  const session = new Session(loops, { percentile, selected, marks, version });
  const announced = [];
  for (const name of ["threshold", "settled", "audition", "selection", "focus", "marks"])
    session.on(name, () => announced.push(name));
  return { session, announced };
}

/** A generator of numbers from 0 to 1 that gives the same ones at every run. */
export function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { modeOfToday, ORDERS, orderOf, rowsBy } from "../../assets/explorer/orders.js";
import { madeUpLoops, randomNumbers } from "./made-up.js";

const NAMES = ["take 10.wav", "Über.wav", "take 2.wav", "Take 2.wav", "zebra.wav", "Ubik.wav"];

/** Six loops; the first has no score, and each column knows something of some of them. */
function six() {
  const points = {
    listen: Int32Array.of(2, 6, 4, 3, 1, 5),
    modified: Float64Array.of(300, 100, 0, 200, 100, 500),
    durations: Float32Array.of(3, 1, 2, 0, 2, 4),
    "value:bpm": Float32Array.of(NaN, 120, 90, 0, 120, 100),
    "code:key": Int32Array.of(0, 1, -1, 0, 2, 1),
  };
  return madeUpLoops([NaN, 1, 2, 3, 4, 5], { points, names: NAMES, levels: { key: ["Em", "A", "G"] } });
}

test("every order holds every row once, either way round", () => {
  const loops = six();
  for (const { name } of ORDERS)
    for (const mode of [name, `-${name}`]) assert.deepEqual([...rowsBy(mode, loops)].sort(), [0, 1, 2, 3, 4, 5], mode);
});

test("what is not known comes last either way; equal ones in the order of listening", () => {
  const loops = six();
  const orders = {
    listen: [4, 0, 3, 2, 5, 1],
    score: [5, 4, 3, 2, 1, 0],
    "-score": [1, 2, 3, 4, 5, 0],
    newest: [5, 0, 3, 4, 1, 2],
    "-newest": [4, 1, 3, 0, 5, 2],
    duration: [1, 4, 2, 0, 5, 3],
    "-duration": [5, 0, 4, 2, 1, 3],
    bpm: [2, 5, 4, 1, 0, 3],
    "-bpm": [4, 1, 5, 2, 0, 3],
    key: [5, 1, 0, 3, 4, 2],
    "-key": [4, 0, 3, 5, 1, 2],
  };
  for (const [mode, rows] of Object.entries(orders)) assert.deepEqual([...rowsBy(mode, loops)], rows, mode);
});

test("names stand as one reads them: numbers by size, capitals and accents among the others", () => {
  assert.deepEqual(
    [...rowsBy("name", six())].map((row) => NAMES[row]),
    ["Take 2.wav", "take 2.wav", "take 10.wav", "Über.wav", "Ubik.wav", "zebra.wav"],
  );
});

test("without columns, scores or checks the order of listening is all there is", () => {
  const loops = madeUpLoops([NaN, NaN, NaN]);
  for (const mode of ["listen", "score", "newest", "bpm", "key"])
    assert.deepEqual([...rowsBy(mode, loops)], [2, 1, 0], mode);
});

test("an order is sorted once for as long as the loops are the same", () => {
  const loops = six();
  assert.equal(rowsBy("name", loops), rowsBy("name", loops));
  assert.notEqual(rowsBy("name", loops), rowsBy("name", six()));
});

test("fifty thousand rows, many of them equal, are in order", () => {
  const n = 50_000;
  const random = randomNumbers(3);
  const scores = Float64Array.from({ length: n }, random).sort();
  const modified = Float64Array.from({ length: n }, () => Math.floor(2000 * random()));
  const loops = madeUpLoops(scores, { points: { modified } });
  const rows = rowsBy("newest", loops);
  for (let place = 1; place < n; place += 1) {
    const [before, row] = [rows[place - 1], rows[place]];
    const fell = modified[before] > modified[row];
    assert.ok(fell || (modified[before] === modified[row] && before > row), "listening order where they are equal");
  }
});

test("modes of before are known by their name of today, and what is none is none", () => {
  assert.equal(modeOfToday("ranking"), "score");
  assert.equal(modeOfToday("-bpm"), "-bpm");
  assert.equal(modeOfToday("-border"), "border", "it has one way only");
  assert.equal(modeOfToday(""), null);
  assert.equal(modeOfToday("-"), null);
  assert.equal(orderOf("-name").turned, true);
});

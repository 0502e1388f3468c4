import assert from "node:assert/strict";
import { test } from "node:test";
import { madeUpLoops, randomNumbers } from "./made-up.js";

const levels = { folder: ["drums", ""], key: ["Em"] };
const points = {
  "code:folder": Int32Array.of(0, 1, -1),
  "code:key": Int32Array.of(0, -1, -1),
  "value:bpm": Float32Array.of(119.6, 0, NaN),
};
const three = () => madeUpLoops([1, 2, 3], { points, levels });

test("the first row is the least anomalous one, and rank 1 the last", () => {
  const loops = three();
  assert.deepEqual(
    [0, 1, 2].map((row) => loops.rank(row)),
    [3, 2, 1],
  );
  assert.deepEqual(
    ["id0", "id2", "unknown", null].map((id) => loops.row(id)),
    [0, 2, -1, -1],
  );
});

test("what is unknown of a loop is left out of its line", () => {
  const loops = three();
  assert.equal(loops.metadata(0), "2.3 s · 120 BPM · Em · drums");
  assert.equal(loops.metadata(1), "2.3 s");
  assert.equal(loops.metadata(2), "2.3 s");
  assert.equal(loops.category("genre", 0), "");
  assert.ok(Number.isNaN(loops.number("loop_structure", 0)));
});

test("the first flagged row is the first above the threshold, by counting, for many arrays with ties", () => {
  const random = randomNumbers(1);
  for (let n = 1; n < 40; n += 1) {
    const ascending = Float64Array.from({ length: n }, () => Math.floor(10 * random())).sort();
    for (let value = -1; value <= 10.5; value += 0.5)
      assert.equal(madeUpLoops(ascending).cutAt(value), ascending.filter((other) => other <= value).length);
  }
});

test("components and dimensions are their own part of the matrix", () => {
  const loops = madeUpLoops([1, 2, 3], {
    coordinates: [
      [1, 2, 3],
      [4, 5, 6],
    ],
  });
  assert.deepEqual([...loops.component(1)], [4, 5, 6]);
  loops.addLatents({ latents: Object.assign(Float32Array.of(7, 8, 9, 1, 2, 3), { shape: [2, 3] }) });
  assert.deepEqual([...loops.dimension(0)], [7, 8, 9]);
});

test("the border queue holds every row that is kept once, nearest to the threshold first", () => {
  const random = randomNumbers(2);
  const scores = Array.from({ length: 60 }, () => random()).sort((a, b) => a - b);
  const loops = madeUpLoops(scores);
  for (const threshold of [-1, scores[0], 0.5, scores[59], 2]) {
    const rows = loops.atTheBorder(threshold, (row) => row % 3 !== 0);
    const distances = rows.map((row) => Math.abs(scores[row] - threshold));
    assert.deepEqual(
      rows.toSorted((a, b) => a - b),
      scores.map((_, row) => row).filter((row) => row % 3 !== 0),
    );
    assert.deepEqual(
      distances,
      distances.toSorted((a, b) => a - b),
    );
  }
});

test("what sounds like a mark comes later in the border queue than what marks say nothing of", () => {
  const loops = madeUpLoops([1, 2, 3, 4, 5, 6]);
  const listen = Int32Array.from([6, 5, 4, 3, 2, 1]);
  const unsure = Float32Array.of(1, 1, 0.6, 0.6, 1, 1);
  const because = new Int32Array(6).fill(-1);
  loops.teach({ name: "taught-1", listen, shift: new Float32Array(6), because, unsure }, () => false);
  assert.deepEqual(
    loops.atTheBorder(3.1, (row) => row !== 5),
    [1, 4, 0, 2, 3],
  );
  unsure.fill(1);
  assert.deepEqual(
    loops.atTheBorder(3.1, () => true),
    [2, 3, 1, 4, 0, 5],
  );
  loops.teach(null, () => false);
  assert.deepEqual(
    loops.atTheBorder(3.1, (row) => row !== 5),
    [2, 3, 1, 4, 0],
  );
});

test("without Python the nearest are those by distance, the loop itself not among them", async () => {
  const random = randomNumbers(3);
  const coordinates = [0, 1].map(() => Array.from({ length: 50 }, () => Math.fround(random())));
  const loops = madeUpLoops(
    Array.from({ length: 50 }, (_, row) => row),
    { coordinates },
  );
  const to = (row) => (other) => Math.hypot(...coordinates.map((axis) => axis[row] - axis[other]));
  const rows = await loops.neighbours(7);
  const all = coordinates[0].map((_, row) => row).filter((row) => row !== 7);
  assert.deepEqual(rows, all.sort((a, b) => to(7)(a) - to(7)(b)).slice(0, 24));
});

test("latents, once they are here, count instead of the coordinates", async () => {
  const loops = madeUpLoops([1, 2, 3], { coordinates: [[0, 1, 9]] });
  loops.addLatents({ latents: Object.assign(Float32Array.of(0, 9, 1), { shape: [1, 3] }) });
  assert.deepEqual(await loops.neighbours(0), [2, 1]);
});

test("Python is asked once per row, and again after a lost connection", async () => {
  const asked = [];
  let lost = false;
  const near = async (row) => {
    asked.push(row);
    if (lost) throw new Error("lost");
    return Int32Array.of(2, 1);
  };
  const loops = madeUpLoops([1, 2, 3], { near });
  assert.deepEqual(await loops.neighbours(0), [2, 1]);
  await loops.neighbours(0);
  assert.deepEqual(asked, [0]);
  lost = true;
  assert.deepEqual(await loops.neighbours(1), [0, 2]);
  lost = false;
  assert.deepEqual(await loops.neighbours(1), [2, 1]);
  assert.deepEqual(asked, [0, 1, 1]);
});

test("of the answers the oldest is forgotten, and no more than 256 are kept", async () => {
  const asked = [];
  const near = async (row) => {
    asked.push(row);
    return Int32Array.of(0);
  };
  const loops = madeUpLoops(
    Array.from({ length: 300 }, (_, row) => row),
    { near },
  );
  for (let row = 0; row < 257; row += 1) await loops.neighbours(row);
  assert.equal(loops.near.size, 256);
  await loops.neighbours(1);
  assert.equal(asked.length, 257);
  await loops.neighbours(0);
  assert.equal(asked.at(-1), 0);
});

const partly = (options) => madeUpLoops([NaN, NaN, 1, 2, 3], options);

test("rows without a score have no rank, are never flagged, and stand at no border", () => {
  const loops = partly();
  assert.deepEqual([loops.unscored, loops.scored], [2, 3]);
  assert.deepEqual(
    [1, 2, 4].map((row) => loops.standing(row)),
    ["not scored yet", "rank 3 of 3 · score 1.00", "rank 1 of 3 · score 3.00"],
  );
  assert.deepEqual(
    [-Infinity, 0, 1, 2.5, 9].map((threshold) => loops.cutAt(threshold)),
    [2, 2, 3, 4, 5],
  );
  assert.deepEqual(
    loops.atTheBorder(2, () => true),
    [3, 4, 2],
  );
});

test("where nothing is scored no threshold flags anything", () => {
  const loops = madeUpLoops([NaN, NaN]);
  for (const percentile of [0, 50, 100]) assert.equal(loops.cutAt(loops.thresholdAt(percentile)), 2);
  assert.deepEqual(
    loops.atTheBorder(0, () => true),
    [],
  );
});

test("a row without a score is near to none, and none is near to it", async () => {
  const coordinates = [[NaN, NaN, 0, 9, 1]];
  assert.deepEqual(await partly({ coordinates }).neighbours(2), [4, 3]);
  assert.deepEqual(await partly({ coordinates }).neighbours(0), []);
  const asked = [];
  const near = async (row) => {
    asked.push(row);
    return Int32Array.of(1, 3, 0, 4);
  };
  assert.deepEqual(await partly({ near }).neighbours(2), [3, 4]);
  assert.deepEqual(await partly({ near }).neighbours(1), []);
  assert.deepEqual(asked, [2], "Python is not asked what nobody knows");
});

test("median and spread of a dimension are those of the loops that have a score", async () => {
  const loops = partly();
  loops.addLatents({ latents: Object.assign(Float32Array.of(NaN, NaN, 1, 2, 9), { shape: [1, 5] }) });
  await loops.standardise();
  assert.equal(loops.scales[0].centre, 2);
  assert.ok(Math.abs(loops.scales[0].deviation - 7 / 1.349) < 1e-12);
});

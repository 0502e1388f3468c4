import assert from "node:assert/strict";
import { test } from "node:test";
import { movedOf } from "../../assets/explorer/lessons.js";
import { heldRanks, rowsBy } from "../../assets/explorer/orders.js";
import { madeUpLoops, madeUpSession, randomNumbers } from "./made-up.js";

/** A random order as ranks by row. */
function ranks(n, random) {
  const rows = Array.from({ length: n }, (_, row) => row).sort(() => random() - 0.5);
  return Int32Array.from(rows, (row) => row + 1);
}

const lessonOf = (listen, { shift = [], because = [] } = {}) => ({
  name: "taught-1",
  listen: Int32Array.from(listen),
  shift: Float32Array.from(listen, (_, row) => shift[row] ?? 0),
  because: Int32Array.from(listen, (_, row) => because[row] ?? -1),
  unsure: Float32Array.from(listen, () => 1),
});

test("what stays keeps its rank, all others stand as they are taught", () => {
  const random = randomNumbers(1);
  for (let round = 0; round < 200; round += 1) {
    const n = 1 + Math.floor(12 * random());
    const [now, taught] = [ranks(n, random), ranks(n, random)];
    const staying = new Set(Array.from({ length: n }, (_, row) => row).filter(() => random() < 0.4));
    const held = heldRanks(now, taught, (row) => staying.has(row));
    assert.deepEqual(
      [...held].sort((a, b) => a - b),
      Array.from({ length: n }, (_, i) => i + 1),
    );
    for (const row of staying) assert.equal(held[row], now[row]);
    const others = Array.from({ length: n }, (_, row) => row).filter((row) => !staying.has(row));
    const by = (order) => [...others].sort((a, b) => order[a] - order[b]);
    assert.deepEqual(by(held), by(taught));
  }
});

test("a lesson puts the list in another order, without it the first one is back", () => {
  const loops = madeUpLoops([1, 2, 3, 4]);
  assert.deepEqual([...rowsBy("listen", loops)], [3, 2, 1, 0]);
  loops.teach(lessonOf([1, 2, 3, 4]), () => false);
  assert.deepEqual([...rowsBy("listen", loops)], [0, 1, 2, 3]);
  loops.teach(lessonOf([4, 3, 2, 1]), (row) => row === 0); // it was marked, at the top
  assert.deepEqual([...rowsBy("listen", loops)], [0, 3, 2, 1]);
  loops.teach(null, () => true);
  assert.deepEqual([...rowsBy("listen", loops)], [3, 2, 1, 0]);
});

test("a row says how far marks moved it and which, the way they moved it", () => {
  const loops = madeUpLoops([1, 2, 3, 4, 5], { names: ["a", "b", "c", "d", "e"] });
  const { session } = madeUpSession(loops, { marks: { id4: "quarantine", id3: "keep" } });
  assert.equal(movedOf(session, 0), "");
  const lesson = lessonOf([2, 3, 5, 4, 1], {
    shift: [0.3, 0.1, -0.2, -0.3, 0.4],
    because: [4, -2, 3, 3, 4],
  });
  loops.teach(lesson, () => false);
  assert.equal(movedOf(session, 0), "up 3: sounds like e, quarantined");
  assert.equal(movedOf(session, 1), "up 1: sounds like one marked in the model's library");
  assert.equal(movedOf(session, 2), "down 2: sounds like d, kept");
  assert.equal(movedOf(session, 3), "", "it is marked itself");
  loops.teach(lessonOf([5, 4, 3, 2, 1], { shift: [0.3], because: [4] }), () => false);
  assert.equal(movedOf(session, 0), "", "it did not move");
  loops.teach(lessonOf([1, 4, 3, 2, 5], { shift: [-0.3], because: [3] }), () => false);
  assert.equal(movedOf(session, 0), "", "it rose only because others sank further");
  loops.teach(null, () => false);
  assert.equal(movedOf(session, 0), "");
});

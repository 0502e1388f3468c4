import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Focus } from "../../assets/explorer/focus.js";
import { madeUpLoops } from "./made-up.js";

const ROWS = [0, 1, 2, 3, 4, 5];
let focus;

beforeEach(() => {
  const points = {
    "code:folder": Int32Array.of(0, 0, 1, 1, -1, 0),
    "code:key": Int32Array.of(0, 1, 0, 1, 0, 1),
    "value:bpm": Float32Array.of(90, 100, 110, 120, NaN, 0),
  };
  const names = ["Kick one", "kick TWO", "snare", "hat one", "pad", "bass one"];
  const loops = madeUpLoops(ROWS, { points, levels: { folder: ["Drums", "loops"], key: ["Am", "Em"] }, names });
  focus = new Focus(
    loops,
    new Map([
      ["id1", "keep"],
      ["id2", "love"],
    ]),
  );
});

function inFocus() {
  focus.update();
  const rows = ROWS.filter((row) => focus.has(row));
  assert.equal(focus.count, rows.length);
  return rows;
}

test("without a condition every row is in focus", () => {
  assert.deepEqual(inFocus(), ROWS);
  assert.equal(focus.active, false);
});

test("every word must occur, in name or folder, in any case", () => {
  focus.search("  ONE drums ");
  assert.deepEqual(inFocus(), [0, 5]);
  focus.search("kick one");
  assert.deepEqual(inFocus(), [0]);
  focus.search(" ");
  assert.deepEqual(inFocus(), ROWS);
});

test("a category, a range with its ends, and a mark", () => {
  focus.categories.set("folder", "loops");
  assert.deepEqual(inFocus(), [2, 3]);
  focus.categories.clear();
  focus.ranges.set("bpm", [100, 120]);
  assert.deepEqual(inFocus(), [1, 2, 3], "what is unknown lies in no range");
  focus.ranges.clear();
  focus.mark = "keep";
  assert.deepEqual(inFocus(), [1]);
  focus.mark = "none";
  assert.deepEqual(inFocus(), [0, 3, 4, 5]);
});

test("conditions hold together", () => {
  focus.categories.set("folder", "Drums");
  focus.categories.set("key", "Em");
  focus.ranges.set("bpm", [1, Infinity]);
  focus.lasso = Uint8Array.of(1, 1, 1, 0, 1, 1);
  assert.deepEqual(inFocus(), [1]);
  focus.lasso = Uint8Array.of(1, 0, 1, 0, 1, 1);
  assert.deepEqual(inFocus(), []);
  assert.equal(focus.active, true, "nothing in focus is a condition too");
});

test("a group narrows what the other conditions leave, and they stay known without it", () => {
  focus.search("one");
  focus.group = { key: "bar", label: "Bar", rows: [5, 4, 3], index: 0 };
  assert.deepEqual(inFocus(), [3, 5]);
  assert.deepEqual(
    ROWS.filter((row) => focus.hasOutside(row)),
    [0, 3, 5],
  );
});

test("cleared, it is as it was", () => {
  focus.search("one");
  focus.categories.set("key", "Em");
  focus.ranges.set("bpm", [0, 1]);
  focus.mark = "love";
  focus.lasso = new Uint8Array(6);
  focus.group = { key: "bar", label: "Bar", rows: [1], index: 0 };
  focus.clear();
  assert.deepEqual(inFocus(), ROWS);
  assert.equal(focus.active, false);
});

/** The same loops in another order, id5 gone and id6 new, with one level more. */
function others() {
  const points = { "code:folder": Int32Array.of(2, 1, 0, 0, 1, -1), "code:key": Int32Array.of(0, 1, 0, 1, 0, 1) };
  const names = ["new one", "hat one", "Kick one", "kick TWO", "snare", "pad"];
  const ids = ["id6", "id3", "id0", "id1", "id2", "id4"];
  const levels = { folder: ["Drums", "loops", "new"], key: ["Am", "Em"] };
  return madeUpLoops(ROWS, { points, levels, names, ids });
}

function adopt(loops) {
  const before = focus.loops;
  focus.adopt(loops, (row) => loops.row(before.ids[row]));
}

test("other loops: words and levels hold by what they say", () => {
  focus.search("one");
  focus.categories.set("folder", "loops");
  assert.deepEqual(inFocus(), [3]);
  adopt(others());
  assert.deepEqual(inFocus(), [1]);
  focus.categories.set("folder", "new");
  assert.deepEqual(inFocus(), [0]);
});

test("other loops: a level that none of them has holds none of them, nor does a column that is gone", () => {
  focus.categories.set("key", "Em");
  adopt(madeUpLoops([1, 2], { points: { "code:key": Int32Array.of(-1, 0) }, levels: { key: ["C"] } }));
  assert.equal(focus.count, 0);
  adopt(madeUpLoops([1, 2]));
  assert.equal(focus.count, 0);
  focus.categories.clear();
  focus.ranges.set("bpm", [0, 200]);
  adopt(madeUpLoops([1, 2]));
  assert.equal(focus.count, 0);
});

test("other loops: a lasso holds the loops that it was drawn around", () => {
  focus.lasso = Uint8Array.of(1, 0, 1, 0, 0, 1);
  adopt(others());
  assert.deepEqual(inFocus(), [2, 4], "id0 and id2; id5 is gone");
});

test("other loops: a bar that was picked keeps its loops and its turn", () => {
  focus.group = { key: "bar", label: "Bar", rows: [5, 3, 1], index: 1 };
  adopt(others());
  assert.deepEqual(focus.group.rows, [1, 3]);
  assert.equal(focus.loops.ids[focus.group.rows[focus.group.index]], "id3", "the one that played still plays");
  adopt(madeUpLoops([1], { ids: ["stranger"] }));
  assert.equal(focus.group, null);
});

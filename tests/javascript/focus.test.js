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

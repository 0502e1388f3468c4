import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { countKinds, countLevels, countMarks, countNoted, countUnknown } from "../../assets/explorer/facets.js";
import { Focus } from "../../assets/explorer/focus.js";
import { madeUpLoops } from "./made-up.js";

const ROWS = [0, 1, 2, 3, 4, 5];
let focus;

beforeEach(() => {
  const points = {
    "code:folder": Int32Array.of(0, 0, 1, 1, -1, 0),
    "code:key": Int32Array.of(0, 1, 0, 1, 0, 1),
    "value:bpm": Float32Array.of(90, 100, 110, 120, NaN, 0),
    faults: Int32Array.of(0b001, 0b011, 0b000, 0b000, 0b100, 0b000),
    suspicions: Int32Array.of(0b000, 0b000, 0b010, 0b000, 0b001, 0b000),
  };
  const names = ["Kick one", "kick TWO", "snare", "hat one", "pad", "bass one"];
  const levels = { folder: ["Drums", "loops"], key: ["Am", "Em"] };
  const loops = madeUpLoops(ROWS, { points, levels, names, faultKinds: ["Clicks", "Hum", "Noise"] });
  const marks = new Map(Object.entries({ id1: "keep", id2: "love", stranger: "keep" }));
  focus = new Focus(loops, marks, () => "normal", new Set(["id0", "id4", "stranger"]));
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

test("a category, and a range with its ends", () => {
  focus.categories.set("folder", "loops");
  assert.deepEqual(inFocus(), [2, 3]);
  focus.categories.clear();
  focus.ranges.set("bpm", [100, 120]);
  assert.deepEqual(inFocus(), [1, 2, 3], "what is unknown lies in no range");
});

test("a range keeps what is unknown where that is wanted, and says of how many it is", () => {
  focus.ranges.set("bpm", [100, 120]);
  focus.unknown.add("bpm");
  assert.deepEqual(inFocus(), [1, 2, 3, 4]);
  focus.categories.set("key", "Em");
  assert.deepEqual(inFocus(), [1, 3], "the other filters still hold");
  assert.equal(countUnknown(focus, "bpm"), 0);
  focus.categories.set("key", "Am");
  assert.deepEqual(inFocus(), [2, 4]);
  assert.equal(countUnknown(focus, "bpm"), 1);
  focus.clear();
  focus.ranges.set("loop_structure", [0, 1]);
  assert.deepEqual(inFocus(), [], "of a column that is not there all is unknown");
  focus.unknown.add("loop_structure");
  assert.deepEqual(inFocus(), ROWS);
  assert.equal(countUnknown(focus, "loop_structure"), 6);
  focus.ranges.set("duration", [0, 2]);
  assert.deepEqual(inFocus(), [], "every loop lasts 2.34 s");
});

test("a fault contains: any of the chosen kinds, whatever else was found; unsure findings only where they are wanted", () => {
  focus.kinds.add("Clicks");
  assert.deepEqual(inFocus(), [0, 1]);
  focus.kinds.add("Noise");
  assert.deepEqual(inFocus(), [0, 1, 4]);
  focus.kinds = new Set(["Hum"]);
  assert.deepEqual(inFocus(), [1], "clicks and hum is hum too");
  focus.unsure = true;
  assert.deepEqual(inFocus(), [1, 2]);
  focus.kinds = new Set([""]);
  assert.deepEqual(inFocus(), [3, 5], "nothing was found, not even perhaps");
  focus.unsure = false;
  assert.deepEqual(inFocus(), [2, 3, 5]);
  focus.kinds = new Set(["Off the grid"]);
  assert.deepEqual(inFocus(), [], "a kind that these checks do not know");
});

test("marks: any of those that are chosen, unmarked too; and what has a note", () => {
  focus.marked.add("keep");
  assert.deepEqual(inFocus(), [1]);
  focus.marked.add("love");
  assert.deepEqual(inFocus(), [1, 2]);
  focus.marked = new Set(["none", "love"]);
  assert.deepEqual(inFocus(), [0, 2, 3, 4, 5]);
  focus.noted = true;
  assert.deepEqual(inFocus(), [0, 4]);
  focus.marked.clear();
  assert.deepEqual(inFocus(), [0, 4]);
});

test("each choice says how many loops it would give under the other filters", () => {
  focus.update();
  assert.deepEqual(countLevels(focus, "key"), [3, 3]);
  assert.deepEqual(countLevels(focus, "folder"), [3, 2]);
  assert.deepEqual(countLevels(focus, "genre"), []);
  assert.deepEqual(countKinds(focus), [2, 1, 1, 3]);
  assert.deepEqual(countMarks(focus), { keep: 1, quarantine: 0, love: 1, none: 4 });
  assert.equal(countNoted(focus), 2);
  focus.categories.set("key", "Am");
  focus.kinds.add("Clicks");
  focus.unsure = true;
  assert.deepEqual(inFocus(), [0, 4]);
  assert.deepEqual(countLevels(focus, "key"), [2, 1], "the choice among keys does not count for keys");
  assert.deepEqual(countKinds(focus), [2, 1, 1, 0]);
  assert.deepEqual(countMarks(focus), { keep: 0, quarantine: 0, love: 0, none: 2 });
  focus.group = { key: "bar", label: "Bar", rows: [3], index: 0 };
  assert.deepEqual(inFocus(), []);
  assert.deepEqual(countLevels(focus, "key"), [2, 1], "nor does a bar that is picked");
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
  focus.marked.add("love");
  focus.noted = true;
  focus.kinds.add("Hum");
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

test("the last of 32 kinds of fault, whose bit is the sign, is counted and filtered like any other", () => {
  const faultKinds = Array.from({ length: 32 }, (_, kind) => `Kind ${kind}`);
  const faults = Int32Array.of(1 << 31, (1 << 31) | 0b101, 0, 0b1, 0, 0);
  const many = new Focus(madeUpLoops(ROWS, { points: { faults }, faultKinds }), new Map(), () => "normal", new Set());
  const counts = countKinds(many);
  assert.deepEqual([counts[0], counts[2], counts[31], counts[32]], [2, 1, 2, 3]);
  many.kinds.add("Kind 31");
  many.update();
  assert.deepEqual(
    ROWS.filter((row) => many.has(row)),
    [0, 1],
  );
});

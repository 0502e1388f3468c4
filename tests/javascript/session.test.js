import assert from "node:assert/strict";
import { test } from "node:test";
import { madeUpLoops, madeUpSession } from "./made-up.js";

const ten = () => madeUpSession(madeUpLoops([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
const nextFrame = () => new Promise((resolve) => setTimeout(resolve, 5));

test("the threshold flags what lies above it", () => {
  const { session } = ten();
  session.setPercentile(80);
  assert.equal(session.flagged, 2);
  assert.deepEqual(
    [7, 8].map((row) => session.isFlagged(row)),
    [false, true],
  );
});

test("a threshold that moves is told, one that stays is not, and one that rests always is", () => {
  const { session, announced } = ten();
  session.setPercentile(80);
  session.setPercentile(80);
  assert.deepEqual(announced, ["threshold"]);
  session.setPercentile(80, { settled: true });
  assert.deepEqual(announced, ["threshold", "settled"]);
});

test("a percentile is kept between 0 and 100, in hundredths", () => {
  const { session } = ten();
  for (const [given, kept] of [
    [-3, 0],
    [250, 100],
    [33.33333, 33.33],
    [99.999, 100],
  ]) {
    session.setPercentile(given);
    assert.equal(session.percentile, kept);
  }
});

test("the sound is asked for before any view hears of the selection", () => {
  const { session, announced } = ten();
  session.audition(3);
  assert.deepEqual(announced, ["audition", "selection"]);
  session.audition(3);
  assert.deepEqual(announced, ["audition", "selection", "audition"], "again: it sounds again, and nothing is redrawn");
  session.audition(-1);
  assert.equal(session.selected, 3);
});

test("without autoplay a selection is silent, and Python's always is", () => {
  const { session, announced } = ten();
  session.select(2);
  session.select(2);
  assert.deepEqual(announced, ["selection"]);
  session.autoplay = false;
  session.audition(4);
  assert.deepEqual(announced, ["selection", "selection"]);
  assert.equal(session.selectedId, "id4");
});

test("what was selected before the page came back is selected, and what is gone is not", () => {
  const loops = madeUpLoops([1, 2]);
  assert.equal(madeUpSession(loops, { selected: "id1" }).session.selected, 1);
  assert.equal(madeUpSession(loops, { selected: "gone" }).session.selectedId, null);
});

test("a bar plays its loops in turn, most anomalous first, and begins anew after the last", async () => {
  const { session } = ten();
  const heard = [];
  for (let click = 0; click < 4; click += 1) {
    session.auditionGroup("bar 1", "Bar", [6, 5, 4]);
    heard.push(session.selected);
  }
  assert.deepEqual(heard, [6, 5, 4, 6]);
  session.auditionGroup("bar 2", "Another", [2, 1]);
  assert.equal(session.selected, 2);
  await nextFrame();
  assert.deepEqual([session.focus.count, session.focus.group.label], [2, "Another"]);
  session.auditionGroup("bar 1", "Bar", [6, 5, 4]);
  assert.equal(session.selected, 6, "what one bar leaves out of the list another may play");
});

test("a bar plays only what the other conditions leave in focus", async () => {
  const { session } = ten();
  session.refocus((focus) => {
    focus.lasso = Uint8Array.of(1, 1, 1, 1, 1, 1, 0, 1, 1, 1);
  });
  session.auditionGroup("bar", "Bar", [6, 5]);
  assert.equal(session.selected, 5);
  session.auditionGroup("empty", "Empty", [6]);
  assert.equal(session.selected, 5);
});

test("marks by id: set, taken away, replaced", () => {
  const { session, announced } = madeUpSession(madeUpLoops([1, 2]), { marks: { id0: "keep" } });
  session.setMark(1, "love");
  session.setMark(0, null);
  assert.deepEqual(
    [0, 1].map((row) => session.markOf(row)),
    [null, "love"],
  );
  session.replaceMarks({ id0: "quarantine" });
  assert.deepEqual(
    [0, 1].map((row) => session.markOf(row)),
    ["quarantine", null],
  );
  assert.equal(session.focus.marks, session.marks, "the focus filters by the same marks");
  assert.equal(announced.length, 3);
});

test("other loops of the same project: selection by id, percentile and marks stay, and nobody is told twice", () => {
  const { session, announced } = madeUpSession(madeUpLoops([NaN, NaN, 1, 2]), {
    percentile: 50,
    selected: "id0",
    marks: { id3: "love" },
  });
  assert.equal(session.flagged, 1);
  const loops = madeUpLoops([NaN, 1, 2, 3], { ids: ["id1", "id3", "id2", "id0"] });
  const moved = session.adopt(loops, "v2");
  assert.deepEqual([0, 1, 2, 3].map(moved), [3, 0, 2, 1]);
  assert.deepEqual([session.selected, session.selectedId, session.version], [3, "id0", "v2"]);
  assert.deepEqual([session.percentile, session.threshold, session.flagged], [50, 2, 1]);
  assert.equal(session.markOf(1), "love");
  assert.deepEqual(announced, []);
  session.adopt(madeUpLoops([1], { ids: ["id9"] }), "v3");
  assert.equal(session.selectedId, null, "it is gone");
});

test("a loop without a score is not called normal; a fault of it is known all the same", () => {
  const faults = Int32Array.of(0, 1, 0);
  const { session } = madeUpSession(madeUpLoops([NaN, NaN, 1], { points: { faults } }), { percentile: 50 });
  assert.deepEqual(
    [0, 1, 2].map((row) => session.badgeOf(row)),
    ["unscored", "faulty", "normal"],
  );
  assert.deepEqual(session.counts(), { faulty: 1, interesting: 0, normal: 1, unscored: 1, flagged: 0 });
  session.refocus(({ badges }) => badges.add("normal"));
  assert.deepEqual([session.focus.has(0), session.focus.has(2)], [false, true]);
});

test("a badge follows the threshold, and so does a filter by it once the hand is off", () => {
  const faults = Int32Array.of(0, 1, 0, 0, 1);
  const { session } = madeUpSession(madeUpLoops([1, 2, 3, 4, 5], { points: { faults } }), { percentile: 50 });
  const inFocus = () => [0, 1, 2, 3, 4].filter((row) => session.focus.has(row));
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((row) => session.badgeOf(row)),
    ["normal", "faulty", "normal", "interesting", "faulty"],
  );
  session.refocus(({ badges }) => badges.add("interesting"));
  assert.deepEqual(inFocus(), [3]);
  session.setPercentile(25);
  assert.deepEqual(session.counts(), { faulty: 2, interesting: 2, normal: 1, unscored: 0, flagged: 1 });
  assert.deepEqual(inFocus(), [3], "the list keeps its rows while the handle is dragged");
  session.setPercentile(25, { settled: true });
  assert.deepEqual(inFocus(), [2, 3]);
  session.refocus((focus) => focus.search("id3"));
  assert.deepEqual(session.counts(), { faulty: 0, interesting: 1, normal: 0, unscored: 0, flagged: 1 });
  session.adopt(madeUpLoops([1, 2, 3, 4, 5]), "v2");
  session.refocus((focus) => focus.search(""));
  assert.deepEqual(inFocus(), [2, 3, 4], "no fault is known any more");
  session.refocus((focus) => focus.clear());
  assert.equal(session.focus.active, false);
});

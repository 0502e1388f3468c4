import assert from "node:assert/strict";
import { test } from "node:test";
import { around, drawCurve } from "../../assets/explorer/moment-curve.js";
import { madeUpLoops } from "./made-up.js";

test("half a second around a moment is half a second, inside the loop", () => {
  assert.deepEqual(around(2, 8), [1.75, 2.25]);
  assert.deepEqual(around(0.05, 8), [0, 0.5]);
  assert.deepEqual(around(7.95, 8), [7.5, 8]);
  assert.deepEqual(around(0.1, 0.3), [0, 0.3]);
});

/** What is filled, by colour: [x, y, width, height]. */
function painted(moments, place) {
  const filled = { normal: [], flagged: [] };
  const context = { fillStyle: "", fillRect: (...box) => filled[context.fillStyle].push(box) };
  drawCurve(context, { normal: "normal", flagged: "flagged" }, moments, place);
  return filled;
}

test("the curve lies below the waveform on its time axis, its peak marked through both", () => {
  const place = { width: 400, height: 60, top: 42, duration: 8 };
  const { normal, flagged } = painted({ curve: [1, 2, 6, 1], step: 2, at: 5, odd: 6 }, place);
  assert.deepEqual(
    normal.map(([x]) => x),
    [0, 100, 200, 300],
  );
  assert.equal(normal[2][1], 42, "the peak reaches the waveform's foot");
  for (const [, y, , tall] of normal) assert.equal(y + tall, 60);
  assert.deepEqual(flagged, [[249.25, 0, 1.5, 60]]);
});

test("where nothing is odd the curve is low", () => {
  const { normal } = painted(
    { curve: [1, 1.2], step: 1, at: 1.5, odd: 1.2 },
    { width: 10, height: 30, top: 0, duration: 2 },
  );
  assert.ok(normal.every(([, , , tall]) => tall <= 12));
});

test("a model that hears no moments is not asked", async () => {
  const answer = { curve: [1], step: 0.1, at: 0.05, odd: 1, beside: [] };
  assert.equal(madeUpLoops([1, 2]).askMoments, null);
  assert.equal(await madeUpLoops([1, 2], { moments: async () => answer }).askMoments(1), answer);
});

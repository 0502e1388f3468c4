import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf, spokenBadge } from "../../assets/explorer/badges.js";
import { NOT_SCORED } from "../../assets/explorer/loops.js";
import { madeUpLoops, madeUpSession } from "./made-up.js";

const SCORES = [NaN, ...Array.from({ length: 200 }, (_, i) => i)];

/** Row 201 − k has rank k; `briefs` by row. */
function sessionWith(briefs = {}, faulty = [], percentile = 95) {
  const faults = new Int32Array(SCORES.length);
  for (const row of faulty) faults[row] = 4;
  const loops = madeUpLoops(SCORES, { points: { faults } });
  loops.briefs = loops.ids.map((_, row) => briefs[row] ?? "");
  return madeUpSession(loops, { percentile }).session;
}

test("a sure finding is the reason, whatever the score", () => {
  const session = sessionWith({ 200: "clipped 13 %", 3: "silent", 0: "12 clicks" }, [200, 3, 0]);
  assert.deepEqual(
    [200, 3, 0].map((row) => reasonOf(session, row)),
    ["clipped 13 %", "silent", "12 clicks"],
  );
  assert.equal(spokenBadge(session, 3), "Faulty, silent");
});

test("what is above the threshold stands out, never more than all; the first one most", () => {
  const session = sessionWith({ 198: "perhaps hum at 50 Hz" });
  assert.equal(reasonOf(session, 200), "stands out most");
  assert.equal(reasonOf(session, 199), "stands out more than 99 %");
  assert.equal(reasonOf(session, 198), "stands out more than 98 % · perhaps hum at 50 Hz");
  const model = sessionWith();
  model.loops.reference = Float64Array.of(0, 1); // of other loops: these here lie above all of them
  assert.equal(reasonOf(model, 199), "stands out more than 99 %");
});

test("the rest has no reason but what is only perhaps found, or that it waits for its score", () => {
  const session = sessionWith({ 10: "perhaps 3 clicks" });
  assert.deepEqual(
    [10, 11, 0].map((row) => reasonOf(session, row)),
    ["perhaps 3 clicks", "", NOT_SCORED],
  );
  assert.equal(spokenBadge(session, 11), "Normal");
  session.setPercentile(2);
  assert.equal(reasonOf(session, 11), "stands out more than 5 %");
});

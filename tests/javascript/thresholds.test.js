// The threshold rule, by the numbers that tests/test_thresholds.py asks of Python: to the last bit, because a loop whose
// score is the threshold must not be flagged in one place only.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { madeUpLoops } from "./made-up.js";

const golden = JSON.parse(readFileSync(new URL("../golden/thresholds.json", import.meta.url), "utf8"));

for (const { name, reference, scores, thresholds, flagged, percentiles_of_scores } of golden.cases) {
  const loops = madeUpLoops(scores, { reference: reference.toSorted((a, b) => a - b) });

  test(`${name}: the value at every percentile, and the flags it gives`, () => {
    golden.percentiles.forEach((percentile, i) => {
      const threshold = loops.thresholdAt(percentile);
      assert.equal(threshold, thresholds[i], `percentile ${percentile}`);
      const rows = scores.map((_, row) => row).slice(loops.cutAt(threshold));
      assert.deepEqual(rows, flagged[i], `percentile ${percentile}`);
    });
  });

  if (percentiles_of_scores)
    test(`${name}: the percentile of every value`, () => {
      scores.forEach((score, i) => {
        const found = loops.percentileAt(score);
        assert.ok(
          Math.abs(found - percentiles_of_scores[i]) < 1e-9,
          `${score}: ${found}, not ${percentiles_of_scores[i]}`,
        );
      });
    });
}

test("a value of equal reference scores has a percentile that leads back to it", () => {
  for (const { reference } of golden.cases) {
    if (reference.length < 2) continue;
    const loops = madeUpLoops([0], { reference: reference.toSorted((a, b) => a - b) });
    const size = Math.max(...reference.map(Math.abs));
    for (const score of reference)
      assert.ok(
        Math.abs(loops.thresholdAt(loops.percentileAt(score)) - score) <= 1e-12 * size,
        `${score} in ${reference}`,
      );
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { density } from "../../assets/explorer/densities.js";
import { randomNumbers } from "./made-up.js";

const sum = (curve) => curve.reduce((total, value) => total + value, 0);
const mean = (curve) => curve.reduce((total, value, bin) => total + value * (bin + 0.5), 0) / curve.length;
const near = (found, wanted, by) => assert.ok(Math.abs(found - wanted) <= by, `${found}, not ${wanted}`);
const identity = (value) => value;

/** About normal around 0.5: `n` numbers, with a deviation of an eighth, as one of eight standard deviations. */
function bell(n) {
  const random = randomNumbers(4);
  const twelve = () => Array.from({ length: 12 }, random).reduce((a, b) => a + b) - 6;
  return Array.from({ length: n }, () => 0.5 + twelve() / 8);
}

test("the area is one however many values, and the middle stands where they stand", () => {
  for (const n of [1, 10, 1000]) {
    const values = bell(n);
    const curve = density(values, 0, n, identity);
    assert.equal(curve.length, 40);
    near(sum(curve), 1, 0.01);
    near(mean(curve), values.reduce((a, b) => a + b) / n, 0.013); // half a bin
  }
});

test("only the rows asked for count", () => {
  const values = [0.9, 0.9, 0.3, 0.3, 0.9];
  near(mean(density(values, 2, 4, identity)), 0.3, 0.013);
});

test("what lies beyond the column is left out, not piled up at its ends", () => {
  const curve = density([-5, 0.5, 5], 0, 3, identity);
  near(sum(curve), 1 / 3, 0.01);
  near(mean(curve) / sum(curve), 0.5, 0.02);
});

test("no rows, no curve", () => {
  assert.deepEqual(density([1, 2], 1, 1, identity), new Array(40).fill(0));
});

test("the width is Scott's: n to the power of -1/5 standard deviations", () => {
  for (const n of [1, 32, 243]) {
    const curve = density(new Array(n).fill(0.5 + 1 / 80), 0, n, identity); // the middle of bin 20
    const deviation = Math.sqrt(curve.reduce((total, value, bin) => total + value * (bin - 20) ** 2, 0) / sum(curve));
    near(deviation / 5, n ** -0.2, 0.02 * n ** -0.2); // five bins are one standard deviation
  }
});

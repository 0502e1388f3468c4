import assert from "node:assert/strict";
import { test } from "node:test";
import { placeOf, placesOf, scaleOf, ticksOf } from "../../assets/explorer/asinh-scale.js";
import { randomNumbers } from "./made-up.js";

const random = randomNumbers(1);
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const bulk = Float32Array.from({ length: 2000 }, () => 3 + 0.5 * normal());
const stretched = Float32Array.from([...bulk, 40, -60, 55]);
/** Share of the axis that the middle half of the values has. */
const middleHalf = (places) => {
  const sorted = Float64Array.from(places).sort();
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return (at(0.75) - at(0.25)) / (at(1) - at(0));
};

test("values that share an axis evenly keep a linear one, and so do values of which half are equal", () => {
  assert.equal(scaleOf(bulk), null);
  assert.equal(scaleOf([]), null);
  assert.equal(scaleOf([4]), null);
  assert.equal(scaleOf([1, 1, 1, 1, 1, 900]), null);
  assert.equal(placeOf(null, 7.5), 7.5);
  assert.equal(placesOf(null, bulk), bulk, "and are not copied");
});

test("where three of two thousand stretch it, the others have more than ten times the room", () => {
  const scale = scaleOf(stretched);
  assert.ok(Math.abs(scale.centre - 3) < 0.05 && Math.abs(scale.width - 0.5 * 1.349) < 0.05, JSON.stringify(scale));
  assert.ok(middleHalf(stretched) < 0.01);
  assert.ok(middleHalf(placesOf(scale, stretched)) > 0.09);
});

test("places keep the order, are linear around the middle, and what is not known stays so", () => {
  const scale = scaleOf(stretched);
  const { centre, width } = scale;
  const sorted = stretched.slice().sort();
  const places = placesOf(scale, sorted);
  for (let i = 1; i < places.length; i += 1) assert.ok(places[i] >= places[i - 1]);
  assert.equal(placeOf(scale, centre), 0);
  assert.ok(Math.abs(placeOf(scale, centre + 0.1 * width) - 0.1) < 0.001);
  assert.ok(Number.isNaN(placesOf(scale, Float32Array.of(Number.NaN))[0]));
});

test("a scale stays while it still fits, so that the map does not move at every score that comes", () => {
  const before = scaleOf(stretched);
  assert.equal(
    scaleOf(
      stretched.map((value) => 1.02 * value),
      before,
    ),
    before,
  );
  const other = scaleOf(
    stretched.map((value) => 1.5 * value),
    before,
  );
  assert.ok(Math.abs(other.width / before.width - 1.5) < 0.01);
  assert.equal(scaleOf(bulk, before), null, "gone with what stretched it");
});

test("ticks are round values, apart from each other, from one end to the other", () => {
  const scale = scaleOf(stretched);
  const ends = [placeOf(scale, -60), placeOf(scale, 55)];
  const ticks = ticksOf(scale, ends, 7);
  assert.ok(ticks.length >= 5 && ticks.length <= 8, String(ticks));
  assert.ok(ticks[0] < -10 && ticks.at(-1) > 10, String(ticks));
  assert.ok(ticks.includes(0), String(ticks));
  for (const tick of ticks) assert.equal(Number(tick.toPrecision(2)), tick, "as few digits as its label has");
  const places = ticks.map((tick) => placeOf(scale, tick));
  const gap = (ends[1] - ends[0]) / 7;
  for (let i = 1; i < places.length; i += 1) assert.ok(places[i] - places[i - 1] >= gap * (1 - 1e-9));
  assert.ok(ticksOf(scale, ends, 3).length <= 4);
});

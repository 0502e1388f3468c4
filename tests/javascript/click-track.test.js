import assert from "node:assert/strict";
import { test } from "node:test";
import { clicks, withClicks } from "../../assets/explorer/click-track.js";

const RATE = 48000;

/** Where it becomes loud after silence, in seconds. */
function starts(track) {
  const found = [];
  for (let i = 0; i < track.length; i += 1) {
    const before = track.subarray(Math.max(0, i - 200), i);
    if (track[i] > 0.9 && before.every((sample) => Math.abs(sample) < 0.01)) found.push(i / RATE);
  }
  return found;
}

test("a click a beat from the first sample on, sample by sample, however odd the tempo", () => {
  const bpm = 117.3;
  const found = starts(clicks(60 * RATE, RATE, bpm));
  assert.equal(found.length, Math.ceil(bpm));
  found.forEach((time, beat) => {
    assert.ok(Math.abs(time - (beat * 60) / bpm) < 1 / RATE, `beat ${beat} at ${time} s`);
  });
});

test("a loop with clicks keeps its length and is no louder than alone", () => {
  const samples = Float32Array.from({ length: 2 * RATE }, (_, i) => 0.8 * Math.sign(Math.sin(i / 50)));
  const mixed = withClicks(samples, RATE, 120);
  assert.equal(mixed.length, samples.length);
  assert.ok(mixed.every((sample) => Math.abs(sample) <= 0.8 + 1e-6));
  const between = mixed.subarray(RATE / 4, RATE / 4 + 1000);
  assert.ok(
    between.every((sample, i) => Math.abs(sample - 0.6 * samples[RATE / 4 + i]) < 1e-6),
    "no click, no change",
  );
  assert.ok(
    withClicks(new Float32Array(RATE), RATE, 120).every((sample) => sample === 0),
    "silence stays silence",
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../assets/explorer/format.js";

const CASES = [
  [
    format.count,
    [
      [0, "0"],
      [999, "999"],
      [50000, "50,000"],
    ],
  ],
  [
    format.loops,
    [
      [0, "0 loops"],
      [1, "1 loop"],
      [1234, "1,234 loops"],
    ],
  ],
  [
    format.percent,
    [
      [0.123, "12.3 %"],
      [1, "100.0 %"],
      [0.00049, "0.0 %"],
    ],
  ],
  [
    format.score,
    [
      [0, "0"],
      [0.000123, "1.23e-4"],
      [0.00123, "0.00123"],
      [1, "1.00"],
      [123, "123"],
      [-2.5, "-2.50"],
      [99999, "1.00e+5"],
      [123456, "1.23e+5"],
    ],
  ],
  [
    format.tick,
    [
      [1, "1"],
      [0.5, "0.5"],
      [0.25, "0.25"],
      [20, "20"],
      [0.0002, "2e-4"],
      [500000, "5e+5"],
      [1000, "1000"],
    ],
  ],
  [
    format.seconds,
    [
      [0, "0.0 s"],
      [2.34, "2.3 s"],
      [59.94, "59.9 s"],
      [60, "1:00 min"],
      [125.9, "2:05 min"],
    ],
  ],
  [
    format.ordinal,
    [
      [1, "1st"],
      [2, "2nd"],
      [3, "3rd"],
      [11, "11th"],
      [12, "12th"],
      [13, "13th"],
      [0, "0th"],
      [92, "92nd"],
      [95, "95th"],
      [91.1, "91.1th"],
      [95.5, "95.5th"],
      [99.999, "100th"],
      [100, "100th"],
    ],
  ],
  [
    format.decibels,
    [
      [0, "+0.0 dB"],
      [3.14, "+3.1 dB"],
      [-6, "−6.0 dB"],
    ],
  ],
];

for (const [written, cases] of CASES)
  test(written.name, () => {
    for (const [value, text] of cases) assert.equal(written(value), text);
  });

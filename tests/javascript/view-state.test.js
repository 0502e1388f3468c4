import assert from "node:assert/strict";
import { test } from "node:test";
import { readView } from "../../assets/explorer/view-state.js";

const NOTHING = readView(null);

test("without anything saved everything is as it is at first", () => {
  assert.deepEqual(NOTHING, {
    search: "",
    categories: [],
    ranges: [],
    mark: "",
    mode: "",
    top: null,
    autoplay: undefined,
    log: null,
    axes: null,
    model: "",
    zoom: { histogram: {}, scatter: {} },
    ranks: null,
  });
});

test("what was saved comes back, an open end of a range as infinite", () => {
  const view = {
    search: "kick one",
    categories: { folder: "Drums" },
    ranges: { bpm: [90, null] },
    mark: "none",
    mode: "border",
    top: "id7",
    autoplay: false,
    log: true,
    axes: [2, 0],
    model: "ab12",
    zoom: { histogram: {}, scatter: { xaxis: [-1.5, 2], yaxis: [0, 1] } },
    ranks: [10, 40],
  };
  const read = readView(JSON.parse(JSON.stringify(view)));
  assert.deepEqual(read.categories, [["folder", "Drums"]]);
  assert.deepEqual(read.ranges, [["bpm", [90, Infinity]]]);
  for (const name of ["search", "mark", "mode", "top", "autoplay", "log", "axes", "model", "zoom", "ranks"])
    assert.deepEqual(read[name], view[name], name);
});

test("whatever shape it has, it is read without a word and what is not understood left out", () => {
  const damaged = [3, "text", [], [1, 2], true, { zoom: 3 }, { zoom: { scatter: [1] } }, { categories: ["a"] }];
  damaged.push({ search: 5, categories: { folder: 3 }, ranges: { bpm: "fast", a: [null, 3], b: [] }, mark: "burn" });
  damaged.push({ axes: [1], ranks: [4, 2], top: 9, mode: {}, autoplay: "yes", log: 1, model: null });
  damaged.push({ zoom: { scatter: { xaxis: [1, "2"], zaxis: [1, 2] }, heatmap: 1 }, axes: [-1, 0.5] });
  for (const view of damaged) assert.deepEqual(readView(view), NOTHING, JSON.stringify(view));
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { applyFilters, filtersOf } from "../../assets/explorer/filter-state.js";
import { Focus } from "../../assets/explorer/focus.js";
import { lassoOf, maskOf } from "../../assets/explorer/lasso-state.js";
import { readView } from "../../assets/explorer/view-state.js";
import { madeUpLoops } from "./made-up.js";

const NOTHING = readView(null);

/** What it says as the server gives it back. */
const sent = (view) => JSON.parse(JSON.stringify(view));

test("without anything saved everything is as it is at first", () => {
  assert.deepEqual(NOTHING, {
    search: "",
    categories: {},
    ranges: {},
    unknown: [],
    kinds: [],
    unsure: false,
    marked: [],
    noted: false,
    badges: [],
    at: 0,
    mode: "",
    top: null,
    autoplay: undefined,
    learns: true,
    log: null,
    axes: null,
    asinh: null,
    model: "",
    zoom: { histogram: {}, scatter: {} },
    ranks: null,
    lasso: null,
    named: { at: 0, views: [] },
  });
});

test("what was saved comes back, an open end of a range as infinite", () => {
  const view = {
    search: "kick one",
    categories: { folder: "Drums" },
    ranges: { bpm: [90, null], duration: [1, 4] },
    unknown: ["bpm"],
    kinds: ["Hum", ""],
    unsure: true,
    marked: ["none", "love"],
    noted: true,
    badges: ["faulty"],
    at: 1700000000000,
    mode: "border",
    top: "id7",
    autoplay: false,
    learns: false,
    log: true,
    axes: [2, 0],
    asinh: false,
    model: "ab12",
    zoom: { histogram: {}, scatter: { xaxis: [-1.5, 2], yaxis: [0, 1] } },
    ranks: [10, 40],
  };
  assert.deepEqual(readView(sent(view)), { ...NOTHING, ...view });
  assert.deepEqual(readView(sent(readView(view))), readView(view), "and once more");
});

test("a zoom of the map from before there were asinh axes is passed over", () => {
  const zoom = { histogram: { xaxis: [1, 2] }, scatter: { xaxis: [-1.5, 2] } };
  assert.deepEqual(readView({ zoom }).zoom, { histogram: zoom.histogram, scatter: {} });
  assert.deepEqual(readView({ zoom, asinh: null }).zoom, zoom);
});

test("filters come back as they were set, and others that held are gone", () => {
  const loops = madeUpLoops([1, 2, 3], { faultKinds: ["Hum"] });
  const focus = new Focus(loops, new Map());
  focus.search("one two");
  focus.categories.set("key", "Em");
  focus.ranges.set("bpm", [90, Infinity]).set("duration", [1, 4]);
  focus.unknown.add("bpm");
  focus.kinds.add("Hum").add("");
  focus.unsure = focus.noted = true;
  focus.marked.add("none").add("keep");
  focus.badges.add("normal");
  const saved = readView(sent(filtersOf(focus, "One  two")));
  assert.equal(saved.search, "One  two");
  const other = new Focus(loops, new Map());
  other.categories.set("folder", "Drums");
  other.marked.add("love");
  other.unknown.add("loop_structure");
  applyFilters(other, saved);
  for (const name of ["words", "categories", "ranges", "unknown", "kinds", "unsure", "marked", "noted", "badges"])
    assert.deepEqual(other[name], focus[name], name);
});

test("what an older version saved is understood, and a fault of its kind passed over", () => {
  const old = { search: "kick", categories: { folder: "Drums", fault: "hum, noise" }, mark: "keep", mode: "border" };
  const { search, categories, marked, mode } = readView(old);
  assert.deepEqual([search, categories, marked, mode], ["kick", { folder: "Drums" }, ["keep"], "border"]);
  assert.deepEqual(readView({ mark: "none" }).marked, ["none"]);
});

test("views that have a name are read each by itself, the last of a name counts", () => {
  const named = {
    at: 5,
    views: [{ name: "a", search: "x" }, 3, { name: "" }, { name: "b", mark: "love", mode: "newest" }],
  };
  named.views.push({ name: "a", kinds: ["Hum", 4], marked: ["keep", "burn"] });
  const { at, views } = readView(sent({ named })).named;
  assert.equal(at, 5);
  assert.deepEqual(
    views.map(({ name, search, kinds, marked, mode }) => [name, search, kinds, marked, mode]),
    [
      ["a", "", ["Hum"], ["keep"], ""],
      ["b", "", [], ["love"], "newest"],
    ],
  );
});

test("a lasso holds the same loops in every order, and none where the loops are others", () => {
  const ids = Array.from({ length: 30 }, (_, i) => `id${(7 * i) % 30}`);
  const loops = madeUpLoops(
    ids.map((_, i) => i),
    { ids },
  );
  const lasso = Uint8Array.from(ids, (id) => Number(["id3", "id9", "id29"].includes(id)));
  const { lasso: saved } = readView(sent({ lasso: lassoOf(lasso, loops) }));
  assert.deepEqual(maskOf(saved, loops), lasso);
  const turned = madeUpLoops(
    ids.map((_, i) => i),
    { ids: [...ids].reverse() },
  );
  assert.deepEqual(maskOf(saved, turned), lasso.toReversed());
  const others = madeUpLoops(
    ids.map((_, i) => i),
    { ids: ids.map((id) => (id === "id5" ? "id55" : id)) },
  );
  assert.equal(maskOf(saved, others), null, "as many, but not the same");
  assert.equal(maskOf(saved, madeUpLoops([1, 2])), null);
});

test("whatever shape it has, it is read without a word and what is not understood left out", () => {
  const damaged = [3, "text", [], [1, 2], true, { zoom: 3 }, { zoom: { scatter: [1] } }, { categories: ["a"] }];
  damaged.push({ search: 5, categories: { folder: 3 }, ranges: { bpm: "fast", a: [null, 3], b: [] }, mark: "burn" });
  damaged.push({
    marked: "keep",
    kinds: { Hum: 1 },
    unsure: "yes",
    noted: 1,
    badges: [3, "odd"],
    unknown: null,
    at: -1,
  });
  damaged.push(
    { lasso: { n: 3, digest: 1, bits: "?" }, named: [{ name: "x" }] },
    { lasso: [], named: { views: { a: 1 } } },
  );
  damaged.push({ lasso: { n: 1e9, digest: 1, bits: "AAAA" }, named: { at: "now", views: "all" } });
  damaged.push({ axes: [1], ranks: [4, 2], top: 9, mode: {}, autoplay: "yes", log: 1, asinh: 1, model: null });
  damaged.push({ zoom: { scatter: { xaxis: [1, "2"], zaxis: [1, 2] }, heatmap: 1 }, axes: [-1, 0.5] });
  for (const view of damaged) assert.deepEqual(readView(view), NOTHING, JSON.stringify(view));
});

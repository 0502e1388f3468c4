import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { newestView } from "../../assets/explorer/view-keeper.js";
import { MadeUpStorage } from "./made-up-outbox.js";

beforeEach(() => {
  globalThis.localStorage = new MadeUpStorage();
});
afterEach(() => {
  delete globalThis.localStorage;
});

const hold = (project, view) => localStorage.setItem(`loopscope.view.${project}`, JSON.stringify(view));

test("of what the server heard and what this browser still holds the newer view counts", () => {
  const heard = { at: 10, search: "heard" };
  const of = (view) => newestView({ project: "p", view }).search;
  assert.equal(of(heard), "heard");
  hold("p", { at: 9, search: "held" });
  assert.equal(of(heard), "heard");
  hold("p", { at: 11, search: "held" });
  assert.equal(of(heard), "held");
  assert.equal(of(null), "held");
  assert.equal(newestView({ project: "q", view: heard }).search, "heard", "another project's");
  assert.equal(newestView({ project: "", view: heard }).search, "heard");
});

test("views with a name are the newest by themselves", () => {
  const named = (at, name) => ({ at, views: [{ name }] });
  hold("p", { at: 11, search: "held", named: named(3, "older") });
  const newest = newestView({ project: "p", view: { at: 10, search: "heard", named: named(4, "newer") } });
  assert.deepEqual([newest.search, newest.named.at, newest.named.views[0].name], ["held", 4, "newer"]);
});

test("a damaged copy, or no storage at all, is passed over", () => {
  localStorage.setItem("loopscope.view.p", "{");
  assert.equal(newestView({ project: "p", view: { search: "heard" } }).search, "heard");
  delete globalThis.localStorage;
  assert.equal(newestView({ project: "p", view: { search: "heard" } }).search, "heard");
});

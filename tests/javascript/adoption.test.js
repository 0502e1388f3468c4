import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Adoption } from "../../assets/explorer/adoption.js";

/** An adoption whose fetches wait for `answers`; `quiet.now` and `state.ready` say when it may. */
function explorer(t) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const [asked, taken, answers] = [[], [], new Map()];
  const state = {
    version: "v1",
    isReady: true,
    ready: () => state.isReady,
    fetch: (version) => {
      asked.push(version);
      return new Promise((resolve, reject) => answers.set(version, { resolve, reject }));
    },
    take: async (loops, version) => {
      taken.push([loops, version]);
      state.version = version;
    },
  };
  const quiet = { now: true };
  const ending = new AbortController();
  const adoption = new Adoption(state, ending.signal, quiet);
  const settle = async () => {
    for (let turn = 0; turn < 20; turn += 1) await null;
  };
  const answer = async (version, loops = `loops of ${version}`) => {
    answers.get(version).resolve(loops);
    await settle();
  };
  const tick = async (milliseconds) => {
    mock.timers.tick(milliseconds);
    await settle();
  };
  return { state, quiet, ending, adoption, asked, taken, answers, answer, settle, tick };
}

test("another version is fetched and taken, the one that is shown is not", async (t) => {
  const { adoption, asked, taken, answer } = explorer(t);
  adoption.want("v1");
  assert.deepEqual(asked, []);
  adoption.want("v2");
  await answer("v2");
  assert.deepEqual(taken, [["loops of v2", "v2"]]);
  adoption.want("v2");
  assert.deepEqual(asked, ["v2"]);
});

test("it is fetched at once and taken when the page is quiet and whole", async (t) => {
  const { state, quiet, adoption, taken, answer, tick } = explorer(t);
  quiet.now = false;
  adoption.want("v2");
  await answer("v2");
  await tick(5000);
  assert.deepEqual(taken, []);
  quiet.now = true;
  state.isReady = false;
  await tick(60);
  assert.deepEqual(taken, []);
  state.isReady = true;
  await tick(60);
  assert.equal(taken.length, 1);
});

test("one at a time, and of those that wait the newest", async (t) => {
  const { quiet, adoption, asked, taken, answer, tick } = explorer(t);
  quiet.now = false;
  adoption.want("v2");
  adoption.want("v3");
  adoption.want("v4");
  assert.deepEqual(asked, ["v2"]);
  await answer("v2");
  assert.deepEqual(asked, ["v2", "v4"]);
  await answer("v4");
  adoption.want("v5"); // while v4 waits for a quiet moment, which does not come
  await tick(60);
  assert.deepEqual(asked, ["v2", "v4", "v5"]);
  quiet.now = true;
  await answer("v5");
  assert.deepEqual(taken, [["loops of v5", "v5"]]);
});

test("a version that cannot be had is dropped, and asked for again where it is announced again", async (t) => {
  const { adoption, asked, taken, answers, answer, settle } = explorer(t);
  adoption.want("v2");
  answers.get("v2").reject(new Error("the server answered 404"));
  await settle();
  assert.deepEqual([taken, asked], [[], ["v2"]]);
  adoption.want("v2");
  await answer("v2");
  assert.equal(taken.length, 1);
});

test("where the version that is shown is the newest again, nothing is taken", async (t) => {
  const { adoption, taken, answer } = explorer(t);
  adoption.want("v2");
  adoption.want("v1");
  await answer("v2");
  assert.deepEqual(taken, []);
});

test("ended, it takes nothing more", async (t) => {
  const { quiet, ending, adoption, taken, answer, tick } = explorer(t);
  quiet.now = false;
  adoption.want("v2");
  await answer("v2");
  ending.abort();
  quiet.now = true;
  await tick(60);
  assert.deepEqual(taken, []);
});

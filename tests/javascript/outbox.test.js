import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { turns } from "../../assets/explorer/turns.js";
import { randomNumbers } from "./made-up.js";
import { MadeUpServer, MadeUpStorage, madeUpOutbox } from "./made-up-outbox.js";

const timers = (t) => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_790_000_000_000 });
  t.after(() => mock.timers.reset());
};
const values = (entries) => entries.map(({ loop_id, value }) => [loop_id, value]);
const stored = (storage) => [...storage.items.keys()].filter((key) => key.startsWith("loopscope.outbox."));

test("marks and notes are sent in order and leave the storage when they are acknowledged, not before", async (t) => {
  timers(t);
  const { box, server, storage, said } = madeUpOutbox();
  box.use("http://here/", "token");
  box.put("mark", "a", "keep");
  box.put("note", "a", "two clicks");
  box.put("mark", "a", "love");
  await server.settled();
  assert.equal(stored(storage).length, 3);
  assert.equal(box.problem, "no connection");
  server.up = true;
  box.reopened();
  await server.settled();
  assert.deepEqual(values(server.taken), [
    ["a", "keep"],
    ["a", "two clicks"],
    ["a", "love"],
  ]);
  assert.equal(server.requests.at(-1).address, "http://here/ls/outbox/token");
  assert.deepEqual([stored(storage), box.problem], [[], ""]);
  assert.deepEqual(said, ["1 mark and 1 note saved now."]);
});

test("what was saved without waiting is not talked about", async (t) => {
  timers(t);
  const { box, server, said } = madeUpOutbox();
  server.up = true;
  box.use("http://here/", "token");
  box.put("mark", "a", "keep");
  await server.settled();
  assert.deepEqual([server.taken.length, said], [1, []]);
});

test("a page that crashed leaves its marks to the next one", async (t) => {
  timers(t);
  const storage = new MadeUpStorage();
  const before = madeUpOutbox({ storage });
  for (const mark of ["keep", "love", null]) before.box.put("mark", "a", mark);
  before.box.put("note", "b", "x");
  const { box, server, said } = madeUpOutbox({ storage });
  assert.equal(box.pending("mark", "a").value, null);
  server.up = true;
  box.use("http://here/", "another token");
  await server.settled();
  assert.deepEqual(values(server.taken), [
    ["a", "keep"],
    ["a", "love"],
    ["a", null],
    ["b", "x"],
  ]);
  assert.deepEqual(said, ["1 mark and 1 note saved now."]);
});

test("it tries again ever more patiently, and at once with a new session", async (t) => {
  timers(t);
  const { box, server } = madeUpOutbox();
  box.use("http://here/", "token");
  box.put("mark", "a", "keep");
  await server.settled();
  const tries = [];
  for (let second = 0; second < 120; second += 1) {
    const before = server.requests.length;
    mock.timers.tick(1000);
    await server.settled();
    if (server.requests.length > before) tries.push(second + 1);
  }
  assert.deepEqual(tries, [1, 3, 7, 15, 31, 61, 91]);
  server.up = true;
  box.use("http://here/", "new token");
  await server.settled();
  assert.equal(server.taken.length, 1);
  assert.equal(server.requests.at(-1).address, "http://here/ls/outbox/new token");
});

test("a server that says it cannot save keeps everything in the queue, with its sentence", async (t) => {
  timers(t);
  const { box, server, storage } = madeUpOutbox();
  Object.assign(server, { up: true, status: 507, error: "The disk is full; make room." });
  box.use("http://here/", "token");
  box.put("mark", "a", "keep");
  await server.settled();
  assert.deepEqual([stored(storage).length, box.problem], [1, "The disk is full; make room."]);
  server.status = 404;
  box.reopened();
  await server.settled();
  assert.equal(stored(storage).length, 1);
  assert.equal(box.problem, "reconnecting");
});

test("what is refused is dropped and said; what belongs to another folder waits for it", async (t) => {
  timers(t);
  const { box, server, storage, said } = madeUpOutbox();
  server.up = true;
  server.holds = (id) => id !== "b";
  box.use("http://here/", "token");
  box.put("mark", "a", "burn");
  box.put("mark", "b", "keep");
  box.put("mark", "c", "love");
  await server.settled();
  assert.deepEqual(values(server.taken), [["c", "love"]]);
  assert.equal(stored(storage).length, 1);
  assert.ok(said.some((text) => text.includes("No such mark.")));
  assert.ok(said.some((text) => text.includes("another folder")));
  const before = server.requests.length;
  box.put("mark", "c", "keep");
  await server.settled();
  assert.deepEqual(
    server.requests.slice(before).map(({ entries }) => values(entries)),
    [[["c", "keep"]]],
    "it is not sent to the same session again and again",
  );
  server.holds = () => true;
  box.use("http://here/", "token of the other folder");
  await server.settled();
  assert.deepEqual(values(server.taken).at(-1), ["b", "keep"]);
  assert.equal(stored(storage).length, 0);
});

test("two tabs send each entry once, in the order of all", async (t) => {
  timers(t);
  const storage = new MadeUpStorage();
  const one = madeUpOutbox({ storage });
  const two = madeUpOutbox({ storage, server: one.server, locks: one.locks });
  one.box.use("http://here/", "token one");
  two.box.use("http://here/", "token two");
  const made = [];
  for (let i = 0; i < 20; i += 1) {
    const mark = ["keep", "love", "quarantine"][i % 3];
    (i % 2 ? one : two).box.put("mark", "a", mark);
    made.push(["a", mark]);
    mock.timers.tick(5);
  }
  await one.server.settled();
  one.server.up = true;
  for (const { box } of [one, two]) box.reopened();
  await one.server.settled();
  assert.deepEqual(values(one.server.taken), made);
  assert.equal(stored(storage).length, 0);
  two.box.reread();
  assert.equal(two.box.pending("mark", "a"), undefined);
});

test("another tab's success is this tab's too", async (t) => {
  timers(t);
  const storage = new MadeUpStorage();
  const [one, two] = [madeUpOutbox({ storage }), madeUpOutbox({ storage })];
  const saved = [];
  one.box.addEventListener("saved", ({ detail }) => saved.push(...values(detail.entries)));
  one.box.put("mark", "a", "keep");
  two.box.reread();
  two.server.up = true;
  two.box.use("http://here/", "token");
  await two.server.settled();
  one.box.reread();
  assert.deepEqual(saved, [["a", "keep"]]);
});

test("an answer that is lost on its way back changes nothing but that it is sent again", async (t) => {
  timers(t);
  const { box, server, storage } = madeUpOutbox();
  Object.assign(server, { up: true, loses: 1 });
  box.use("http://here/", "token");
  box.put("mark", "a", "keep");
  await server.settled();
  box.put("mark", "a", "love");
  await server.settled();
  assert.deepEqual(values(server.taken).at(-1), ["a", "love"]);
  assert.equal(stored(storage).length, 0);
});

test("however often the line breaks and pages crash, the server ends with the last of every loop", async (t) => {
  timers(t);
  const random = randomNumbers(12);
  const storage = new MadeUpStorage();
  const server = new MadeUpServer();
  const wanted = {};
  let tab = madeUpOutbox({ storage, server });
  for (let step = 0; step < 400; step += 1) {
    server.up = random() < 0.5;
    server.loses = random() < 0.2 ? 1 : 0;
    if (random() < 0.1) tab = madeUpOutbox({ storage, server, locks: tab.locks });
    tab.box.use("http://here/", `token ${Math.floor(10 * random())}`);
    const id = `loop ${Math.floor(8 * random())}`;
    const mark = [null, "keep", "love", "quarantine"][Math.floor(4 * random())];
    tab.box.put("mark", id, mark);
    wanted[id] = mark;
    mock.timers.tick(Math.floor(2000 * random()));
    if (random() < 0.7) await server.settled();
  }
  Object.assign(server, { up: true, loses: 0 });
  tab.box.reopened();
  await server.settled();
  const last = Object.fromEntries(values(server.taken));
  assert.deepEqual(last, wanted);
  assert.equal(stored(storage).length, 0);
});

test("a clock that is set back does not send the newer mark first", async (t) => {
  timers(t);
  const storage = new MadeUpStorage();
  madeUpOutbox({ storage }).box.put("mark", "a", "keep");
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_700_000_000_000 });
  const { box, server } = madeUpOutbox({ storage });
  box.put("mark", "a", "love");
  server.up = true;
  box.use("http://here/", "token");
  await server.settled();
  assert.deepEqual(values(server.taken), [
    ["a", "keep"],
    ["a", "love"],
  ]);
});

test("of a note that is typed offline only the newest text waits; of marks all do", async (t) => {
  timers(t);
  const { box, server } = madeUpOutbox();
  for (const text of ["t", "two", "two clicks"]) box.put("note", "a", text);
  for (const mark of ["keep", "love"]) box.put("mark", "a", mark);
  assert.deepEqual(values(box.queue.entries), [
    ["a", "two clicks"],
    ["a", "keep"],
    ["a", "love"],
  ]);
  server.up = true;
  box.use("http://here/", "token");
  await server.settled();
  assert.equal(server.taken.length, 3);
});

test("a storage that is full or forbidden is said, and the page's own memory stands in", async (t) => {
  timers(t);
  for (const storage of [Object.assign(new MadeUpStorage(), { full: true }), null]) {
    const { box, server, said } = madeUpOutbox({ storage });
    box.put("mark", "a", "keep");
    box.put("mark", "b", "love");
    assert.equal(said.length, 1);
    assert.match(said[0], /cannot keep/);
    assert.equal(box.pending("mark", "b").value, "love");
    server.up = true;
    box.use("http://here/", "token");
    await server.settled();
    assert.deepEqual(values(server.taken), [
      ["a", "keep"],
      ["b", "love"],
    ]);
    assert.equal(box.pending("mark", "a"), undefined);
  }
});

test("what somebody else put into the storage is passed over", (t) => {
  timers(t);
  const storage = new MadeUpStorage();
  const entry = { serial: 7, kind: "mark", loop_id: "a", value: "keep", at: 0 };
  for (const [serial, wrong] of [
    [1, "{"],
    [2, "null"],
    [3, "[]"],
    [4, JSON.stringify({ ...entry, serial: 5 })],
    [6, JSON.stringify({ ...entry, serial: 6, kind: "percentile" })],
    [8, JSON.stringify({ ...entry, serial: 8, value: {} })],
    [9, JSON.stringify({ ...entry, serial: 9, kind: "note", value: null })],
    [2 ** 53, JSON.stringify({ ...entry, serial: 2 ** 53 })],
    ["x", JSON.stringify({ ...entry, serial: "x" })],
  ])
    storage.setItem(`loopscope.outbox.${serial}`, wrong);
  storage.setItem("another.app", JSON.stringify(entry));
  storage.setItem("loopscope.outbox.7", JSON.stringify(entry));
  assert.deepEqual(madeUpOutbox({ storage }).box.queue.entries, [entry]);
});

test("no request is larger than the server takes", async (t) => {
  timers(t);
  const { box, server } = madeUpOutbox();
  for (let i = 0; i < 150; i += 1) box.put("note", `loop ${i}`, "🥁".repeat(1000));
  for (let i = 0; i < 1200; i += 1) box.put("mark", `loop ${i}`, "keep");
  server.up = true;
  box.use("http://here/", "token");
  for (let i = 0; i < 20; i += 1) await server.settled();
  assert.equal(server.taken.length, 1350);
  for (const { entries } of server.requests) {
    assert.ok(entries.length <= 1000);
    assert.ok(new TextEncoder().encode(JSON.stringify(entries)).length <= 256_000);
  }
});

test("without the browser's lock tabs take turns by a lease, which the next one gets when its holder has died", async (t) => {
  timers(t);
  const storage = new MadeUpStorage();
  const [one, two] = [turns(storage, null), turns(storage, null)];
  const log = [];
  const pass = async (ms) => {
    for (let passed = 0; passed < ms; passed += 20) {
      mock.timers.tick(20);
      for (let i = 0; i < 20; i += 1) await null;
    }
  };
  const task = (name, ms) => async () => {
    log.push(`${name} begins`);
    await new Promise((done) => setTimeout(done, ms));
    log.push(`${name} ends`);
  };
  const both = [one.take(task("one", 6000)), two.take(task("two", 100))];
  await pass(8000);
  await Promise.all(both);
  assert.equal(log.length, 4);
  assert.deepEqual(
    log.map((line) => line.split(" ")[1]),
    ["begins", "ends", "begins", "ends"],
    log.join(", "),
  );
  storage.setItem("loopscope.outbox-turn", JSON.stringify({ owner: "dead", until: Date.now() + 4000 }));
  const third = one.take(task("three", 0));
  await pass(3000);
  assert.equal(log.length, 4, "it may yet be alive");
  await pass(2000);
  await third;
  assert.equal(log.length, 6);
});

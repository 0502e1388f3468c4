import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { stamped, Wire } from "../../assets/explorer/wire.js";
import { madeUpLoops, madeUpSession } from "./made-up.js";
import { madeUpOutbox } from "./made-up-outbox.js";

/** A wire, what it sent, and `rerun(changes)`: Python's next run says something else. */
function connected(t, queued = []) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { session, announced } = madeUpSession(madeUpLoops([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
  let data = { version: "v1", percentile: 50, selected: null, marks: {}, acknowledged: 0 };
  const sent = [];
  const component = () => ({ data, setStateValue: (name, state) => sent.push([name, state]) });
  const { box, server } = madeUpOutbox();
  for (const [id, mark] of queued) box.put("mark", id, mark);
  const wire = new Wire(session, component(), box);
  const rerun = (changes) => {
    data = { ...data, ...changes };
    wire.receive(component());
  };
  /** Python's next run has heard all that was sent. */
  const answer = (changes = {}) => rerun({ acknowledged: sent.at(-1)[1].serial, ...changes });
  return {
    session,
    announced,
    wire,
    sent,
    rerun,
    answer,
    box,
    server,
    said: (name) => sent.filter(([other]) => other === name),
  };
}

test("a held arrow key asks for one rerun", (t) => {
  const { session, sent } = connected(t);
  for (const row of [1, 2, 3]) session.audition(row);
  assert.deepEqual(sent, []);
  mock.timers.tick(399);
  assert.deepEqual(sent, []);
  mock.timers.tick(1);
  assert.equal(sent.length, 1);
  assert.deepEqual([sent[0][0], sent[0][1].value, sent[0][1].version], ["selected", "id3", "v1"]);
});

test("a loop that is chosen after a pause is said soon, and what follows at once waits for the hand", (t) => {
  const { session, sent, said, answer } = connected(t);
  session.audition(1);
  mock.timers.tick(99);
  assert.deepEqual(sent, [], "its sound first");
  mock.timers.tick(1);
  assert.equal(said("selected").length, 1);
  answer({ selected: "id1" });
  session.audition(2);
  mock.timers.tick(300);
  session.audition(3);
  mock.timers.tick(399);
  assert.equal(said("selected").length, 1);
  mock.timers.tick(1);
  assert.deepEqual(
    said("selected").map(([, { value }]) => value),
    ["id1", "id3"],
  );
  answer({ selected: "id3" });
  session.audition(4);
  mock.timers.tick(100);
  assert.equal(said("selected").length, 3);
});

test("dragging sends nothing, resting sends once", (t) => {
  const { session, sent } = connected(t);
  for (let percentile = 51; percentile <= 90; percentile += 1) session.setPercentile(percentile);
  assert.deepEqual(sent, []);
  session.setPercentile(90, { settled: true });
  session.setPercentile(90, { settled: true });
  assert.deepEqual(
    sent.map(([name, { value }]) => [name, value]),
    [["percentile", 90]],
  );
});

test("one commit at a time: the next waits for a rerun that has heard the one before", (t) => {
  const { session, wire, sent, rerun, answer } = connected(t);
  session.setPercentile(60, { settled: true });
  wire.lasso(Uint8Array.of(1));
  session.setPercentile(70, { settled: true });
  wire.lasso(Uint8Array.of(0, 1));
  session.setPercentile(80, { settled: true });
  assert.equal(sent.length, 1);
  rerun({ selected: "id4" }); // a rerun of somebody else's, on its way since before
  assert.equal(sent.length, 1);
  for (let i = 0; i < 5; i += 1) answer();
  assert.deepEqual(
    sent.map(([, { value }]) => value),
    [60, btoa("\u0002"), 80],
    "of those that waited the newest of each name",
  );
});

test("every state has a greater serial than the one before", (t) => {
  const { session, wire, sent, answer } = connected(t);
  session.setPercentile(60, { settled: true });
  wire.lasso(Uint8Array.of(1));
  session.audition(3);
  mock.timers.tick(400);
  answer();
  answer();
  assert.equal(sent.length, 3);
  const serials = sent.map(([, { serial }]) => serial);
  assert.deepEqual(
    serials,
    [...new Set(serials)].sort((a, b) => a - b),
  );
  assert.ok(stamped({}).serial > serials.at(-1));
});

test("a hand that goes to and fro is never led back by answers that come late", (t) => {
  const { session, announced, sent, answer } = connected(t);
  const said = () => sent.at(-1)[1].value;
  for (const percentile of [60, 50, 60, 50, 60]) {
    session.setPercentile(percentile, { settled: true });
    const moves = announced.length;
    answer({ percentile: said() });
    assert.equal(session.percentile, percentile);
    assert.equal(announced.length, moves);
  }
  session.setPercentile(70, { settled: true });
  session.setPercentile(80, { settled: true });
  answer({ percentile: 70 });
  assert.equal(session.percentile, 80, "80 is still on its way");
  answer({ percentile: 80 });
  session.setPercentile(90); // the hand is not off yet
  answer({ percentile: 80 });
  assert.equal(session.percentile, 90);
});

test("what Python itself changes counts", (t) => {
  const { session, announced, rerun } = connected(t);
  rerun({ percentile: 95, selected: "id4" });
  assert.deepEqual([session.percentile, session.selectedId], [95, "id4"]);
  assert.ok(!announced.includes("audition"), "Python's selection makes no sound");
  rerun({ selected: null });
  assert.equal(session.selectedId, null);
});

test("a value that was echoed is news where Python goes back to it", (t) => {
  const { session, rerun, answer } = connected(t);
  for (const percentile of [60, 70]) {
    session.setPercentile(percentile, { settled: true });
    answer({ percentile });
  }
  assert.equal(session.percentile, 70);
  rerun({ percentile: 60 });
  assert.equal(session.percentile, 60);
});

test("a commit that a failed rerun swallowed is sent again, with the same serial, ever more patiently", (t) => {
  const { wire, said, rerun } = connected(t);
  wire.lasso(Uint8Array.of(1));
  mock.timers.tick(4000);
  assert.equal(said("lasso").length, 2);
  assert.deepEqual(said("lasso")[0], said("lasso")[1]);
  mock.timers.tick(7999);
  assert.equal(said("lasso").length, 2, "a slow run is not begun anew every four seconds");
  rerun({ acknowledged: said("lasso")[0][1].serial });
  mock.timers.tick(20000);
  assert.equal(said("lasso").length, 2);
});

test("marks go by the outbox, and Python is told once that some are saved", async (t) => {
  const { wire, box, server, sent, said } = connected(t);
  server.up = true;
  box.use("http://here/", "token");
  for (const id of ["id1", "id2", "id3"]) wire.mark(id, "keep");
  await server.settled();
  assert.deepEqual(
    server.taken.map(({ loop_id }) => loop_id),
    ["id1", "id2", "id3"],
  );
  assert.deepEqual(sent, [], "no rerun for each of them");
  mock.timers.tick(300);
  assert.equal(said("changed").length, 1);
});

test("a mark is pending until the server has it, and no rerun of before takes it back", async (t) => {
  const { session, wire, box, server, rerun, answer } = connected(t);
  const marked = () => [Object.fromEntries(session.marks), session.isPending("id1")];
  session.setMark(1, "keep");
  wire.mark("id1", "keep");
  box.use("http://here/", "token");
  await server.settled();
  assert.deepEqual(marked(), [{ id1: "keep" }, true], "the server is down");
  rerun({ marks: { id5: "love" } });
  assert.deepEqual(marked(), [{ id1: "keep", id5: "love" }, true]);
  server.up = true;
  box.reopened();
  await server.settled();
  assert.deepEqual(marked(), [{ id1: "keep", id5: "love" }, false]);
  rerun({ marks: { id5: "love" } });
  assert.deepEqual(marked(), [{ id1: "keep", id5: "love" }, false], "Python drew this before it was saved");
  mock.timers.tick(300);
  answer({ marks: { id1: "keep", id5: "love" } });
  assert.deepEqual(marked(), [{ id1: "keep", id5: "love" }, false]);
  rerun({ marks: { id5: "love" } });
  assert.deepEqual(marked(), [{ id5: "love" }, false], "what Python says after that counts");
});

test("a mark taken off is pending too", async (t) => {
  const { session, wire, rerun } = connected(t);
  rerun({ marks: { id1: "keep" } });
  session.setMark(1, null);
  wire.mark("id1", null);
  rerun({ marks: { id1: "keep" } });
  assert.deepEqual([session.markOf(1), session.isPending("id1")], [null, true]);
});

test("a mark that was saved before the views were built is not taken back by what Python drew before", async (t) => {
  const { session } = connected(t);
  const { box, server } = madeUpOutbox();
  server.up = true;
  box.use("http://here/", "token");
  box.put("mark", "id2", "love");
  await server.settled();
  const sent = [];
  const data = { version: "v1", percentile: 50, selected: null, marks: {}, acknowledged: 0 };
  new Wire(session, { data, setStateValue: (name) => sent.push(name) }, box);
  assert.equal(session.markOf(2), "love");
  mock.timers.tick(300);
  assert.deepEqual(sent, ["changed"]);
});

test("marks that a page before this one left in the queue are shown, as pending", (t) => {
  const { session } = connected(t, [
    ["id2", "love"],
    ["no loop of this page", "keep"],
  ]);
  assert.deepEqual(Object.fromEntries(session.marks), { id2: "love" });
  assert.deepEqual([...session.pending], ["id2"]);
});

test("marks that are as they were are not announced", (t) => {
  const { announced, rerun } = connected(t);
  rerun({ marks: { id1: "keep" } });
  rerun({ marks: { id1: "keep" } });
  assert.deepEqual(announced, ["marks"]);
});

test("who has a note: as Python says, over it what was saved since, over it what waits", async (t) => {
  const { session, box, server, rerun } = connected(t);
  const noted = () => [...session.notes].sort();
  let told = 0;
  session.on("notes", () => {
    told += 1;
  });
  rerun({ notes: ["id1", "id2"] });
  assert.deepEqual(noted(), ["id1", "id2"]);
  box.put("note", "id3", "too loud");
  box.put("note", "id1", "");
  box.put("note", "no loop of this page", "a note");
  assert.deepEqual(noted(), ["id2", "id3"], "on its way, it counts");
  Object.assign(server, { up: true, holds: (id) => session.loops.row(id) >= 0 });
  box.use("http://here/", "token");
  await server.settled();
  rerun({ notes: ["id1", "id2"] });
  assert.deepEqual(noted(), ["id2", "id3"], "Python drew this before it was saved");
  rerun({ notes: ["id2", "id3"] });
  assert.equal(told, 3, "what is as it was is not announced");
  rerun({ notes: ["id2"] });
  assert.deepEqual(noted(), ["id2"], "what Python says after that counts");
});

test("a lasso is a bit set, least row in the lowest bit of the first byte", (t) => {
  const { wire, sent, answer } = connected(t);
  wire.lasso(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 1, 0, 1));
  assert.deepEqual([...Buffer.from(sent[0][1].value, "base64")], [0b10000001, 0b10]);
  assert.equal(sent[0][1].version, "v1");
  wire.lasso(null);
  answer();
  assert.deepEqual([sent[1][0], sent[1][1].value], ["lasso", null]);
});

test("what is in focus is said 0.4 s after its last change, and only where it is another", (t) => {
  const { session, said, answer } = connected(t);
  const narrow = (bits) => {
    session.focus.mask = bits && Uint8Array.of(...bits, 0, 0, 0, 0, 0, 0, 0, 0);
    session.emit("focus");
  };
  narrow([1, 0]);
  narrow([0, 1]);
  mock.timers.tick(399);
  assert.deepEqual(said("filtered"), []);
  mock.timers.tick(1);
  assert.deepEqual([...Buffer.from(said("filtered")[0][1].value, "base64")], [0b10, 0]);
  assert.equal(said("filtered")[0][1].version, "v1");
  answer();
  narrow([0, 1]);
  mock.timers.tick(400);
  assert.equal(said("filtered").length, 1, "that was said");
  narrow(null);
  mock.timers.tick(400);
  assert.equal(said("filtered")[1][1].value, null);
});

test("what is in focus is said again of another version, once Python's runs are about it", (t) => {
  const { session, wire, said, answer } = connected(t);
  session.focus.mask = Uint8Array.of(0, 1);
  session.emit("focus");
  mock.timers.tick(400);
  answer();
  mock.timers.tick(400);
  session.version = "v2";
  answer();
  mock.timers.tick(400);
  assert.equal(said("filtered").length, 1, "the run was about the loops of before");
  answer({ version: "v2" });
  mock.timers.tick(400);
  assert.equal(said("filtered").at(-1)[1].version, "v2");
  answer({ version: "v2" });
  mock.timers.tick(400);
  assert.equal(said("filtered").length, 2);
  wire.repeatFiltered();
  mock.timers.tick(400);
  assert.equal(said("filtered").length, 3, "Python forgot it with the page");
});

test("where nothing is filtered nothing is said", (t) => {
  const { wire, sent } = connected(t);
  wire.repeatFiltered();
  wire.renewFiltered("v1");
  mock.timers.tick(400);
  assert.deepEqual(sent, []);
});

test("closed, it sends nothing more", async (t) => {
  const { session, wire, box, server, sent } = connected(t);
  server.up = true;
  wire.mark("id1", "keep");
  session.select(4);
  wire.close();
  box.use("http://here/", "token");
  await server.settled();
  mock.timers.tick(60000);
  assert.deepEqual(server.taken.length, 1, "the outbox is not the wire's to close");
  assert.deepEqual(sent, []);
});

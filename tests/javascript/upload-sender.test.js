import assert from "node:assert/strict";
import { test } from "node:test";
import { UploadSender } from "../../assets/explorer/upload-sender.js";

const files = (n) => Array.from({ length: n }, (_, i) => ({ name: `pack/${i}.wav`, size: i, body: `sound ${i}` }));

/** `fails(number, nth)`: what the nth request for a file gets instead of being taken: a status, or "lost". */
function madeUpServer(fails = () => null) {
  const server = { taken: [], asked: new Map(), began: [], removed: [], busy: 0, most: 0 };
  server.fetch = async (address, { method, body, signal }) => {
    if (method === "DELETE") return server.removed.push(address) && { ok: true };
    server.busy += 1;
    server.most = Math.max(server.most, server.busy);
    await null;
    server.busy -= 1;
    if (signal.aborted) throw new DOMException("aborted", "AbortError");
    if (method === "POST") {
      server.began.push(JSON.parse(body).files);
      return { ok: true, json: async () => ({ upload: "an-upload" }) };
    }
    const number = Number(address.split("/").at(-1));
    const nth = (server.asked.get(number) ?? 0) + 1;
    server.asked.set(number, nth);
    const fate = fails(number, nth);
    if (fate === "lost") throw new TypeError("Failed to fetch");
    if (fate) return { ok: false, status: fate, json: async () => ({ error: `Refused with ${fate}.` }) };
    server.taken.push([address, body]);
    return { ok: true };
  };
  server.put = (address, body, signal, onSent) => {
    for (const share of [0.5, 1]) onSent(Math.floor(share * Number(body.slice(6))));
    return server.fetch(address, { method: "PUT", body, signal });
  };
  return server;
}

function sending(n, fails) {
  const server = madeUpServer(fails);
  const waits = [];
  const means = { fetch: server.fetch, put: server.put, wait: async (ms) => waits.push(ms) };
  return { server, waits, sender: new UploadSender(files(n), "http://here/ls/upload/token", means) };
}

test("a folder is announced once and every file sent once, a few at a time", async () => {
  const { sender, server } = sending(100);
  const seen = [];
  await sender.run(() => seen.push([sender.sent.size, sender.sentBytes]));
  assert.equal(server.began.length, 1);
  assert.deepEqual(server.began[0].slice(0, 2), [
    ["pack/0.wav", 0],
    ["pack/1.wav", 1],
  ]);
  const expected = files(100).map(({ body }, i) => [`http://here/ls/upload/token/an-upload/${i}`, body]);
  assert.deepEqual(new Map(server.taken), new Map(expected));
  assert.equal(server.taken.length, 100);
  assert.ok(server.most > 1 && server.most <= 4);
  assert.deepEqual(
    [...new Set(seen.map(([n]) => n))],
    Array.from({ length: 101 }, (_, i) => i),
  );
  assert.deepEqual([seen.at(-1)[1], sender.bytes, sender.isWhole], [4950, 4950, true]);
});

test("a connection that is lost for a moment costs nothing", async () => {
  const { sender, server, waits } = sending(20, (number, nth) => (number % 5 === 0 && nth < 3 ? "lost" : null));
  await sender.run(() => null);
  assert.ok(sender.isWhole);
  assert.equal(server.taken.length, 20);
  assert.deepEqual(
    waits.filter((ms) => ms === 500).length,
    4, // files 0, 5, 10 and 15
  );
});

test("what stays lost is said, and going on sends only what is missing", async () => {
  let down = true;
  const { sender, server } = sending(20, (number) => (down && number >= 10 ? "lost" : null));
  await assert.rejects(
    sender.run(() => null),
    /connection was lost/,
  );
  assert.ok(!sender.isWhole && sender.sent.size >= 10);
  down = false;
  const before = server.taken.length;
  await sender.run(() => null);
  assert.ok(sender.isWhole);
  assert.deepEqual([server.taken.length - before, server.began.length], [20 - before, 1]);
});

test("a refusal is said in the server's words and not tried again", async () => {
  const { sender, server, waits } = sending(20, (number) => (number === 3 ? 507 : null));
  await assert.rejects(
    sender.run(() => null),
    /^Error: Refused with 507\.$/,
  );
  assert.deepEqual([waits, server.asked.get(3)], [[], 1]);
});

test("an upload that is cancelled sends nothing more and has the server remove what arrived", async () => {
  const { sender, server } = sending(100);
  let stopped = null;
  await sender.run(() => {
    if (sender.sent.size === 10) stopped = sender.cancel();
  });
  await stopped;
  assert.ok(sender.sent.size < 20 && !sender.isWhole);
  assert.deepEqual(server.removed, ["http://here/ls/upload/token/an-upload"]);
});

test("of a file that is under way it is said how much has gone, and nothing twice where it is sent again", async () => {
  const { sender, server } = sending(0);
  let nth = 0;
  sender.files = [{ name: "long.flac", size: 2e9, body: "sound" }];
  sender.bytes = 2e9;
  sender.put = async (address, body, signal, onSent) => {
    nth += 1;
    onSent(nth === 1 ? 1.5e9 : 0.5e9);
    if (nth === 1) throw new TypeError("Failed to send");
    if (nth === 2) return { ok: false, status: 507, json: async () => ({}) };
    onSent(2e9);
    return server.fetch(address, { method: "PUT", body, signal });
  };
  const seen = [];
  const note = () => seen.push([sender.sent.size, sender.sentBytes]);
  await assert.rejects(sender.run(note));
  assert.deepEqual(seen, [
    [0, 1.5e9],
    [0, 0.5e9],
    [0, 0],
  ]);
  await sender.run(note);
  assert.deepEqual(seen.slice(3), [
    [0, 0.5e9],
    [0, 2e9],
    [1, 2e9],
  ]);
});

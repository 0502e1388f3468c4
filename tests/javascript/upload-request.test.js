import assert from "node:assert/strict";
import { test } from "node:test";
import { put } from "../../assets/explorer/upload-request.js";

class MadeUpRequest extends EventTarget {
  constructor() {
    super();
    this.upload = new EventTarget();
    MadeUpRequest.last = this;
  }
  open(...how) {
    this.how = how;
  }
  send(body) {
    this.sent = body;
  }
  abort() {
    this.ends("abort");
  }
  progress(loaded) {
    this.upload.dispatchEvent(Object.assign(new Event("progress"), { loaded }));
  }
  ends(how, status = 0, response = "") {
    Object.assign(this, { status, response });
    this.dispatchEvent(new Event(how));
    this.dispatchEvent(new Event("loadend"));
  }
}
globalThis.XMLHttpRequest = MadeUpRequest;

function begun(signal = new AbortController().signal) {
  const body = { size: 100 };
  const seen = [];
  const answer = put("http://here/0", body, signal, (bytes) => seen.push(bytes));
  return { answer, body, seen, request: MadeUpRequest.last };
}

test("a file is put where it belongs, and what has gone is told as it goes", async () => {
  const { answer, body, seen, request } = begun();
  assert.deepEqual([request.how, request.sent], [["PUT", "http://here/0"], body]);
  for (const loaded of [10, 60, 110]) request.progress(loaded);
  request.ends("load", 204);
  assert.deepEqual([seen, (await answer).ok], [[10, 60, 100], true]);
});

test("the server's words arrive", async () => {
  const { answer, request } = begun();
  request.ends("load", 507, '{"error": "Full."}');
  const said = await answer;
  assert.deepEqual([said.ok, said.status, await said.json()], [false, 507, { error: "Full." }]);
});

test("what is lost or stopped is an error, and nothing is sent once it was stopped", async () => {
  for (const how of ["error", "timeout"]) {
    const { answer, request } = begun();
    request.ends(how);
    await assert.rejects(answer, TypeError);
  }
  const ending = new AbortController();
  const { answer } = begun(ending.signal);
  ending.abort();
  await assert.rejects(answer, TypeError);
  const late = begun(ending.signal);
  await assert.rejects(late.answer, TypeError);
  assert.equal(late.request.sent, undefined);
});

// npm eventsource and the fetch of Node: server-sent events, with and without gzip.

import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import { createGunzip } from "node:zlib";

import {
  ADDRESS, CUTS, MESSAGES, Offsets, connected, isStaying, require, unreliable,
} from "./common.mjs";

const { EventSource } = require("eventsource");
const ENCODINGS = [["gzip", "gzip"], ["identity", null]];

function fetchEncoded(encoding, expected) {
  return async (url, options) => {
    const headers = { ...options?.headers, "Accept-Encoding": encoding };
    const answer = await fetch(url, { ...options, headers });
    assert.equal(answer.headers.get("content-encoding"), expected);
    assert.equal(answer.headers.get("content-type"), "text/event-stream");
    return answer;
  };
}

// Loses its connection again and again, and resumes by itself with Last-Event-ID.
async function checkReconnects(encoding, expected) {
  const proxy = await unreliable(encoding === "gzip" ? 30_000 : 300_000);
  const offsets = new Offsets();
  const url = `http://${proxy.address}/sse?since=0`;
  const source = new EventSource(url, { fetch: fetchEncoded(encoding, expected) });
  await new Promise((resolve, reject) => {
    const attempt = (action) => {
      try { action(); } catch (error) { reject(error); }
    };
    source.addEventListener("gap", (event) => attempt(() => {
      assert.equal(JSON.parse(event.data).reason, "before_start");
      assert.equal(offsets.last, null);
    }));
    source.onmessage = (event) => attempt(() => {
      offsets.take(event.data);
      assert.match(event.lastEventId, new RegExp(`^${offsets.last}@[0-9A-Za-z]{8}$`));
      if (offsets.count >= MESSAGES && proxy.cuts === CUTS) resolve();
    });
  });
  source.close();
}

// Reads to the end, which the server makes.
async function readToEnd(answer) {
  let text = "";
  for await (const bytes of answer.body) text = (text + Buffer.from(bytes)).slice(-2);
  assert(text === "" || text === "\n\n", "the stream ends inside an event");
}

// A decoder that accepts no end but the right one; that of fetch takes any.
async function readGzipToEnd(answer) {
  let text = "";
  for await (const bytes of answer.pipe(createGunzip())) text = (text + bytes).slice(-2);
  assert(text === "" || text === "\n\n", "the stream ends inside an event");
}

async function stay() {
  const url = `http://${ADDRESS}/sse`;
  const [strict] = await once(get(url, { headers: { "Accept-Encoding": "gzip" } }), "response");
  assert.equal(strict.headers["content-encoding"], "gzip");
  const answers = await Promise.all(ENCODINGS.map((variant) => fetchEncoded(...variant)(url)));
  connected();
  await Promise.all([...answers.map(readToEnd), readGzipToEnd(strict)]);
}

async function checkAll() {
  await Promise.all(ENCODINGS.map((variant) => checkReconnects(...variant)));
}

await (isStaying ? stay() : checkAll());

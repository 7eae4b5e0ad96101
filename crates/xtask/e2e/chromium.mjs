// Chromium: WebSocket and EventSource as a page uses them. The page of the server is in page.mjs.

import assert from "node:assert/strict";

import { withBrowser } from "./browser.mjs";
import { ADDRESS, CUTS, DEFLATE, MESSAGES, connected, isStaying, unreliable } from "./common.mjs";

// Runs in the page: reads messages over as many connections as it takes, resuming after the last.
function readSockets([count]) {
  return new Promise((resolve, reject) => {
    const seen = { offsets: [], extensions: [], codes: [] };
    const open = () => {
      const last = seen.offsets.at(-1) ?? 0;
      const socket = new WebSocket(`ws://${location.host}/?since=${last}`);
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.message_type === "gap") {
          if (seen.offsets.length > 0) reject(new Error(data));
          return;
        }
        // It has the offset of the last message.
        if (message.message_type === "heartbeat") return;
        seen.offsets.push(message.offset);
        if (seen.offsets.length >= count) socket.close(1000, "enough");
      };
      socket.onopen = () => seen.extensions.push(socket.extensions);
      socket.onclose = ({ code }) => {
        seen.codes.push(code);
        if (seen.offsets.length >= count) resolve(seen); else open();
      };
    };
    open();
  });
}

// Runs in the page: reads events; the browser reconnects by itself.
function readEvents([count]) {
  return new Promise((resolve) => {
    const seen = { offsets: [], ids: [], errors: 0 };
    const source = new EventSource("/sse");
    source.onmessage = ({ data, lastEventId }) => {
      seen.offsets.push(JSON.parse(data).offset);
      seen.ids.push(Number(lastEventId.split("@")[0]));
      if (seen.offsets.length < count) return;
      source.close();
      resolve(seen);
    };
    source.onerror = () => { seen.errors += 1; };
  });
}

// Runs in the page: what a client sees when the server goes away.
function untilClosed() {
  const socket = new WebSocket(`ws://${location.host}/`);
  window.ending = new Promise((resolve) => {
    socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean });
  });
  return new Promise((resolve) => { socket.onmessage = () => resolve(); });
}

function checkOffsets(offsets, count) {
  assert(offsets.length >= count);
  const first = offsets[0];
  offsets.forEach((offset, at) => assert.equal(offset, first + at, "each offset once, in order"));
}

// The requests of the page itself.
const PAGES = /^GET \/\?compat=calidog&since=/;

// The page's own connection resumes too, and the browser sends pongs on it.
async function checkPage(page, proxy) {
  while (proxy.requests.filter((request) => PAGES.test(request)).length <= CUTS) await page.waitForTimeout(200);
  await page.waitForSelector("#state[data-is=live]");
  while (proxy.pongs === 0) await page.waitForTimeout(200);
}

async function checkSockets(page) {
  const { offsets, extensions, codes } = await page.evaluate(readSockets, [MESSAGES]);
  checkOffsets(offsets, MESSAGES);
  assert(extensions.every((agreed) => agreed === DEFLATE), extensions);
  assert.deepEqual(codes, [...Array(CUTS).fill(1006), 1000]);
}

async function checkEvents(page, proxy) {
  const encodings = [];
  page.on("response", (response) => {
    if (new URL(response.url()).pathname !== "/sse") return;
    encodings.push(response.headers()["content-encoding"]);
  });
  const { offsets, ids, errors } = await page.evaluate(readEvents, [MESSAGES]);
  checkOffsets(offsets, MESSAGES);
  assert.deepEqual(ids, offsets);
  assert.equal(errors, CUTS);
  assert(encodings.every((encoding) => encoding === "gzip"), encodings);
  const isResumed = (request) => /^GET .sse[^]*\r\nlast-event-id: \d/i.test(request);
  const resumed = proxy.requests.filter(isResumed);
  assert.equal(resumed.length, CUTS, "every reconnection says where it stands");
}

async function checkAll(context) {
  const problems = [];
  await Promise.all([checkPage, checkSockets, checkEvents].map(async (check) => {
    const proxy = await unreliable(50_000, check === checkPage ? PAGES : undefined);
    const page = await context.newPage();
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(`http://${proxy.address}/`);
    await check(page, proxy);
  }));
  assert.deepEqual(problems, []);
}

async function stay(context) {
  const page = await context.newPage();
  await page.goto(`http://${ADDRESS}/`);
  await page.evaluate(untilClosed);
  connected();
  assert.deepEqual(await page.evaluate(() => window.ending), { code: 1001, wasClean: true });
}

await withBrowser(isStaying ? stay : checkAll);

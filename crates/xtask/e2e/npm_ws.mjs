// npm ws: with and without compression, resumes, pings, closing.

import assert from "node:assert/strict";
import { once } from "node:events";

import { ADDRESS, DEFLATE, DEFLATE_EACH, MESSAGES, Offsets, connected, isStaying, require } from "./common.mjs";

const WebSocket = require("ws");
const VARIANTS = [
  [true, DEFLATE],
  [{ serverNoContextTakeover: true }, DEFLATE_EACH],
  [false, undefined],
];

// A connected client, the extensions agreed on, and its close event to come.
async function open(path, perMessageDeflate, offsets) {
  const socket = new WebSocket(`ws://${ADDRESS}${path}`, { perMessageDeflate });
  socket.on("message", (data, isBinary) => {
    assert(!isBinary);
    offsets.take(data.toString());
    socket.emit("taken");
  });
  let pings = 0;
  socket.on("ping", () => { pings += 1; });
  const closed = once(socket, "close");
  const [response] = await once(socket, "upgrade");
  return {
    socket,
    closed,
    extensions: response.headers["sec-websocket-extensions"],
    async until(condition) {
      while (!condition(pings)) await once(socket, "taken");
    },
  };
}

async function checkStream(perMessageDeflate, expected) {
  const offsets = new Offsets();
  const { socket, closed, extensions, until } =
    await open(offsets.path, perMessageDeflate, offsets);
  assert.equal(extensions, expected);
  await until(() => offsets.count >= MESSAGES);
  const pong = once(socket, "pong");
  socket.ping("are you there");
  assert.equal((await pong)[0].toString(), "are you there");
  // ws compresses what is longer than a kilobyte.
  socket.send("text from a client is ignored ".repeat(100));
  // The library answers the server's ping.
  await until((pings) => pings > 0);
  socket.close(1000, "enough");
  assert.equal((await closed)[0], 1000);
}

async function checkResume(perMessageDeflate) {
  const offsets = new Offsets();
  for (let connection = 0; connection < 12; connection += 1) {
    const { socket, closed, until } = await open(offsets.path, perMessageDeflate, offsets);
    const wanted = offsets.count + 2 + connection * connection;
    await until(() => offsets.count >= wanted);
    socket.terminate();
    await closed;
  }
}

async function checkDeclined() {
  const offsets = new Offsets();
  const { socket, closed, extensions, until } =
    await open(offsets.path, { serverMaxWindowBits: 9 }, offsets);
  assert.equal(extensions, undefined);
  await until(() => offsets.count >= 100);
  socket.close();
  await closed;
}

async function stay() {
  const open_ = ([perMessageDeflate]) => open("/", perMessageDeflate, new Offsets());
  const clients = await Promise.all(VARIANTS.map(open_));
  connected();
  for (const { closed } of clients) assert.equal((await closed)[0], 1001);
}

async function checkAll() {
  await Promise.all([
    ...VARIANTS.map((variant) => checkStream(...variant)),
    ...VARIANTS.map(([perMessageDeflate]) => checkResume(perMessageDeflate)),
    checkDeclined(),
  ]);
}

await (isStaying ? stay() : checkAll());

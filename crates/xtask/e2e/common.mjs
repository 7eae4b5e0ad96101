// Functions that the Node checks share.

import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";

export const ADDRESS = process.env.ADDRESS;
// The answer of the server to an offer of compression.
export const DEFLATE = "permessage-deflate; client_no_context_takeover";
// The same where the client wants no context kept.
export const DEFLATE_EACH =
  "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
// Enough to fill several chunks, and the window of a decompressor many times.
export const MESSAGES = 1200;
// Connections that an unreliable way cuts.
export const CUTS = 3;
export const isStaying = process.argv[2] === "stay";

// Packages lie where the script is run, not where it is.
export const require = createRequire(process.cwd() + "/");

// The messages of a client over all its connections: each offset once, in order, no hole.
export class Offsets {
  last = null;
  count = 0;

  // Checks one message of the lite stream; a gap may only stand before the first.
  take(text) {
    const message = JSON.parse(text);
    if (message.message_type === "gap") {
      assert.equal(this.last, null, text);
      return;
    }
    if (message.message_type === "heartbeat") {
      // All up to there has been sent: it is the last message's.
      if (this.last !== null) assert.equal(message.offset, this.last, text);
      return;
    }
    assert.equal(message.message_type, "certificate_update", text);
    assert(Number.isInteger(message.data.cert_index), text);
    assert(Array.isArray(message.data.leaf_cert.all_domains), text);
    if (this.last !== null) assert.equal(message.offset, this.last + 1, "each offset once");
    this.last = message.offset;
    this.count += 1;
  }

  // Returns the place to resume at: after the last message, or at the oldest one kept.
  get path() {
    return `/?since=${this.last ?? 0}`;
  }
}

// Tells the caller with one byte that the clients are connected and may lose their server.
export function connected() {
  writeSync(1, "!");
}

// A way to the server that cuts a few connections after so many bytes, those whose request is of
// these: that resume, and SSE; of the others it counts the pongs that clients send by themselves.
export async function unreliable(cutAfter, isCutOf = /^GET \/\?since=|^GET .sse/) {
  const [host, port] = ADDRESS.split(":");
  const seen = { address: null, cuts: 0, pongs: 0, requests: [] };
  const proxy = createServer((client) => {
    const server = connect(Number(port), host);
    let isCut = false;
    let passed = 0;
    client.on("data", (bytes) => {
      const line = bytes.toString("latin1", 0, bytes.indexOf("\r\n"));
      if (line.startsWith("GET ")) {
        seen.requests.push(bytes.toString("latin1"));
        passed = 0;
        isCut = seen.cuts < CUTS && isCutOf.test(line);
      } else if (bytes[0] === 0x8a) {
        seen.pongs += 1;
      }
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      passed += bytes.length;
      if (isCut && passed > cutAfter) {
        seen.cuts += 1;
        server.destroy();
        // Some of it still arrives, so that it ends inside a message.
        client.end(bytes.subarray(0, bytes.length / 2));
        return;
      }
      if (!client.write(bytes)) server.pause();
    });
    client.on("drain", () => server.resume());
    for (const [one, other] of [[client, server], [server, client]]) {
      one.on("error", () => other.destroy());
      one.on("end", () => other.end());
    }
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  proxy.unref();
  seen.address = `127.0.0.1:${proxy.address().port}`;
  return seen;
}

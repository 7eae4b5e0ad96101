// npm certstream 1.1.1 in Node: no pings, no reconnect, every message reaches the callback.

import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const Client = require("certstream");

const MESSAGES = 50;
let count = 0;

const client = new Client((message) => {
  if (message.message_type === "heartbeat") return;
  const leaf = message.data.leaf_cert;
  if (message.message_type !== "certificate_update" || !Array.isArray(leaf.all_domains) ||
      leaf.subject.CN === undefined || leaf.issuer.O === undefined) {
    console.error("unexpected message", JSON.stringify(message));
    process.exit(1);
  }
  count += 1;
  if (count === MESSAGES) process.exit(0);
}, { url: `ws://${process.env.ADDRESS}/`, skipHeartbeats: false });

// The library does not reconnect: where the server closes early, Node ends by itself.
process.on("exit", () => {
  if (count < MESSAGES) process.exitCode = 1;
});
client.connect(`ws://${process.env.ADDRESS}/`);

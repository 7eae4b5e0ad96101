// The state of the page: a word in the header, and a notice if something is wrong.

import { byId, clock, set } from "./text.js";

// The time without a new certificate after which the page reports it (ms).
const QUIET = 20_000;

const state = {
  // The connection to the stream.
  kind: "connecting", text: "connecting",
  // True if the server answers, and the time of its last answer.
  answers: true, heard: null,
  logs: null, reason: null, verification: null,
  published: null, publishedAt: performance.now(),
  isPaused: false,
};

const OFF = {
  "no stream": "No stream is enabled on this server. The operator can set streams.lite: true, and protocols.websocket: true or protocols.sse: true.",
  "no way to send a token": "This server requires a token, which browsers cannot send with a WebSocket. The operator can set protocols.sse: true.",
};

// Merges what has changed, and shows it.
export function update(changes) {
  Object.assign(state, changes);
  show();
}

// Takes an answer of the server.
export function answered({ logs, reason, published, verification }) {
  if (published !== state.published) state.publishedAt = performance.now();
  update({ answers: true, heard: new Date(), logs, reason, published, verification });
}

// The word in the header: [kind, text].
function word() {
  const { kind, text, answers, logs, published, publishedAt, isPaused } = state;
  if (!answers && kind !== "live") return ["down", "server not reachable, retrying"];
  if (kind === "token") return ["warn", text];
  if (kind === "off") return ["down", text];
  if (kind === "down") return ["down", text];
  if (kind !== "live") return ["connecting", text];
  if (logs !== null && logs.length === 0) return ["down", "no logs"];
  if (logs?.every((log) => log.health === "unhealthy")) return ["down", "all logs unhealthy"];
  if (isPaused) return ["warn", "paused"];
  const quiet = performance.now() - publishedAt;
  if (published !== null && quiet > QUIET) return ["warn", "nothing new"];
  return ["live", "live"];
}

// The notice; empty if all is well.
function notice() {
  const { kind, text, answers, heard, logs, reason, published, publishedAt } = state;
  if (!answers) {
    const figures = heard === null ? "" : ` The data shown is from ${clock(heard)}.`;
    return `The server does not answer.${figures} This page reconnects automatically.`;
  }
  if (kind === "off") return OFF[text];
  if (logs !== null && logs.length === 0) return `The server follows no log: ${reason ?? "it is starting."}`;
  if (reason) return reason;
  if (logs?.every((log) => log.health === "unhealthy")) return "No log answers. The table of logs has the reasons.";
  const quiet = performance.now() - publishedAt;
  if (kind === "live" && published !== null && quiet > QUIET) {
    return "No certificate has arrived for 20 seconds: the logs publish nothing new, or only certificates that were sent before. The table of logs shows how far each one is read.";
  }
  return "";
}

function show() {
  const [kind, text] = word();
  byId("state").dataset.is = kind;
  set(byId("state"), text);
  const said = notice();
  set(byId("reason"), said);
  byId("reason").hidden = said === "";
  document.body.toggleAttribute("data-stale", !state.answers);
}

setInterval(show, 1000);

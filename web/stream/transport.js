// One connection to the stream: over WebSocket, or over Server-Sent Events, which can carry a token in a header.

import { address } from "../text.js";

// Longest event that is read: far above what a server sends.
const LONGEST = 16 << 20;

const SSE_NAMES = { lite: "lite", full: "full", domains: "domains" };

export const KINDS = Object.keys(SSE_NAMES);

// The headers that carry a token.
export function headers({ header }, token) {
  if (!token) return {};
  return { [header]: /^authorization$/i.test(header) ? `Bearer ${token}` : token };
}

// The ways to reach the streams of a server with this token, the best first. Browsers cannot send
// headers with a WebSocket, and a token in a URL is written to logs.
export function ways({ serves, auth }, token) {
  const socket = serves.websocket && (!token || auth.query) ? ["socket"] : [];
  const events = serves.sse ? ["events"] : [];
  return token ? [...events, ...socket] : [...socket, ...events];
}

// Each way calls `onOpen()`, `onText(message)`, `onOffset(offset)`, and once, unless it is closed from
// here, `onEnd({ status, code })`: the status of a refusal if known, the code of a WebSocket's end.
function socket({ serves }, kind, parameters, token, on) {
  const url = address(serves[kind], token ? { ...parameters, token } : parameters);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const made = new WebSocket(url);
  made.onopen = on.onOpen;
  made.onmessage = ({ data }) => on.onText(data);
  made.onclose = ({ code }) => on.onEnd({ code });
  return () => {
    made.onmessage = made.onclose = null;
    // A browser reports an error when a socket is closed that is still connecting.
    made.onopen = () => made.close();
    if (made.readyState !== WebSocket.CONNECTING) made.close();
  };
}

function events({ auth }, kind, parameters, token, on) {
  const url = address("/sse", { stream: SSE_NAMES[kind], ...parameters });
  const abort = new AbortController();
  const read = async () => {
    const answer = await fetch(url, { headers: headers(auth, token), signal: abort.signal, cache: "no-store" });
    if (!answer.ok) return { status: answer.status };
    on.onOpen();
    await readEvents(answer.body, on);
    return {};
  };
  read().catch(() => ({})).then((end) => {
    if (!abort.signal.aborted) on.onEnd(end);
  });
  return () => abort.abort();
}

// Reads Server-Sent Events as this server writes them: an event is at most an id and a line of data.
async function readEvents(body, { onText, onOffset }) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done || rest.length > LONGEST) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const lines = part.split("\n");
      const field = (name) => lines.find((line) => line.startsWith(name))?.slice(name.length);
      const [data, id] = [field("data: "), field("id: ")];
      if (data !== undefined) onText(data);
      else if (id !== undefined) onOffset(Number(id));
    }
  }
}

// Connects, and returns the function that ends the connection.
export function connect(way, server, kind, parameters, token, on) {
  return { socket, events }[way](server, kind, parameters, token, on);
}

// Asks for the status with which the stream is refused, which browsers hide for a WebSocket.
export async function refusal({ serves, auth }, kind, parameters, token) {
  if (!serves.sse) return null;
  const url = address("/sse", { stream: SSE_NAMES[kind], ...parameters });
  const answer = await fetch(url, { method: "HEAD", headers: headers(auth, token) }).catch(() => null);
  return answer?.status ?? null;
}

// How to connect: commands for the stream and the filter that are chosen, to copy.

import { address } from "./stream.js";
import { byId, element, set, speak } from "./text.js";

const STREAMS = {
  lite: { path: "/", text: "Lite: everything except the certificate itself", about: "Names, issuer, dates, hashes and extensions of every certificate." },
  full: { path: "/full-stream", text: "Full: with DER and chain", about: "The lite stream plus the certificate itself (as_der, base64) and its chain." },
  domains: { path: "/domains-only", text: "Domains only", about: "Only the names: a list for each certificate." },
};

const socketUrl = (url) => url.href.replace(/^http/, "ws");

// A word of a shell command.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const first = (stream) => (stream === "domains" ? 'message["data"][0]' : 'message["data"]["leaf_cert"]["all_domains"]');

const python = (url, stream) => `import certstream  # pip install certstream

def show(message, context):
    if message["message_type"] == "${stream === "domains" ? "dns_entries" : "certificate_update"}":
        print(${first(stream)})

certstream.listen_for_events(show, url=${JSON.stringify(url)})`;

const javascript = (url, stream) => `// Browsers, Deno, Bun, Node 22 and newer
const socket = new WebSocket(${JSON.stringify(url)});
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.message_type === "${stream === "domains" ? "dns_entries" : "certificate_update"}")
    console.log(${first(stream).replaceAll('["', ".").replaceAll('"]', "")});
};`;

const cli = (url, stream) => `pip install certstream
certstream --url ${quoted(url)}${{ full: " --full", domains: " --json", lite: "" }[stream]}`;

function commands(serves, stream, filter) {
  const socket = socketUrl(address(STREAMS[stream].path, filter));
  const events = address("/sse", { stream, ...filter }).href;
  const list = [];
  if (serves.websocket) {
    list.push(["Command line", "PyPI certstream", cli(socket, stream)]);
    list.push(["websocat", "", `websocat ${quoted(socket)}`]);
  }
  if (serves.sse) list.push(["curl", "Server-Sent Events", `curl -N ${quoted(events)}`]);
  if (serves.websocket) {
    list.push(["Python", "", python(socket, stream)]);
    list.push(["JavaScript", "", javascript(socket, stream)]);
  }
  return list;
}

function card([title, about, text]) {
  const heading = element("h3", "", title);
  if (about) heading.append(" ", element("small", "", about));
  const code = element("pre", "", element("code", "", text));
  code.tabIndex = 0;
  code.setAttribute("role", "region");
  code.setAttribute("aria-label", title);
  const button = element("button", "", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", `Copy the ${title} example`);
  button.addEventListener("click", async () => {
    const done = await copy(code);
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    speak(done ? `${title} example copied` : "Selected; press Ctrl+C to copy");
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return element("article", "command", element("header", "", heading, button), code);
}

// Browsers give the clipboard to pages of HTTPS and of this machine only; elsewhere the text is
// selected, and copied in the old way.
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

let shown = "";
let filter = {};
let always = {};
let serves = null;

function show() {
  if (serves === null) return;
  const select = byId("connect-stream");
  const stream = select.value || "lite";
  const list = commands(serves, stream, { ...(byId("connect-filter").checked ? filter : {}), ...always });
  const text = JSON.stringify(list);
  if (text === shown) return;
  shown = text;
  set(byId("connect-what"), list.length ? STREAMS[stream].about : "No stream is enabled on this server.");
  byId("commands").replaceChildren(...list.map(card));
}

export function serving(now) {
  if (serves !== null) return;
  serves = now;
  const options = Object.entries(STREAMS).filter(([name]) => now[name]);
  byId("connect-stream").replaceChildren(...options.map(([name, { text }]) => new Option(text, name)));
  const links = [];
  if (now.health) links.push("/health/deep");
  if (now.metrics) links.push(now.metrics);
  byId("links").replaceChildren(...links.map((path) => {
    const link = element("a", "", path);
    link.href = address(path, {}).href.replace(/\?$/, "");
    return link;
  }));
  show();
}

// The filter of the page, and what goes with every connection.
export function filtering(now, whatever) {
  filter = now;
  always = whatever;
  show();
}

byId("connect-stream").addEventListener("change", show);
byId("connect-filter").addEventListener("change", show);

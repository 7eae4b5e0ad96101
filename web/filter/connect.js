// "Use this filter": programs for the stream and the filter that are chosen, to copy.

import { address, button, byId, copy, element, set, speak } from "../text.js";
import { snippets } from "./snippets.js";
import { Filter } from "./filter.js";

const STREAMS = {
  lite: ["Lite: all but the certificate itself", "Names, issuer, dates, hashes and extensions of every certificate."],
  full: ["Full: with DER and chain", "The lite stream plus the certificate itself (as_der, base64) and its chain."],
  domains: ["Domains only", "Only the names: a list for each certificate."],
};

const panel = byId("connect");
const tabs = byId("connect-tabs");
const code = byId("connect-code");
const toggle = byId("use");

let server = null;
let filter = new Filter();
let chosen = null;
let list = [];

function note() {
  const parts = ["Messages and heartbeats carry an offset. Connect with since=OFFSET (Last-Event-ID for SSE), and you get what you missed, then the live stream."];
  if (filter.hides) parts.push("The server has no excluding filters: the Python and JavaScript programs apply the “Not” filters themselves, the other examples ignore the “Not” filters.");
  return parts.join(" ");
}

function show() {
  if (server === null) return;
  set(toggle, filter.isEmpty ? "Connect" : "Use this filter");
  set(byId("connect-title"), filter.isEmpty ? "Connect" : "Use this filter");
  const stream = byId("connect-stream").value;
  list = stream ? snippets({ ...server, stream, filter }) : [];
  set(byId("connect-what"), list.length ? STREAMS[stream][1] : "No stream is enabled on this server.");
  byId("connect-panel").hidden = list.length === 0;
  set(byId("connect-note"), list.length ? note() : "");
  const names = list.map(([name]) => name);
  if (!names.includes(chosen)) [chosen] = names;
  if ([...tabs.children].map((tab) => tab.textContent).join() !== names.join()) tabs.replaceChildren(...names.map(tab));
  choose(chosen);
}

function tab(name) {
  const made = button("", name, () => choose(name));
  made.setAttribute("role", "tab");
  made.setAttribute("aria-controls", "connect-panel");
  return made;
}

function choose(name) {
  chosen = name;
  for (const other of tabs.children) {
    const isChosen = other.textContent === name;
    other.setAttribute("aria-selected", String(isChosen));
    other.tabIndex = isChosen ? 0 : -1;
  }
  set(code, list.find(([other]) => other === name)?.[1] ?? "");
  code.parentElement.setAttribute("aria-label", `${name} example`);
}

// Opens or closes the panel.
function open(isOpen) {
  panel.hidden = !isOpen;
  toggle.setAttribute("aria-expanded", String(isOpen));
  if (isOpen) panel.scrollIntoView({ block: "nearest" });
}

// Takes the state of the server; the streams that it has do not change while it runs.
export function serving(now) {
  if (JSON.stringify([server?.serves, server?.auth]) === JSON.stringify([now.serves, now.auth])) return;
  server = now;
  const { serves } = now;
  const options = Object.entries(STREAMS).filter(([name]) => serves[name]);
  byId("connect-stream").replaceChildren(...options.map(([name, [text]]) => new Option(text, name)));
  const links = [...(serves.health ? ["/health/deep"] : []), ...(serves.metrics ? [serves.metrics] : [])];
  byId("links").replaceChildren(...links.map((path) => {
    const link = element("a", "", path);
    link.href = address(path).href.replace(/\?$/, "");
    return link;
  }));
  show();
}

// The filter of the page.
export function filtering(now) {
  filter = now;
  show();
}

byId("connect-stream").addEventListener("change", show);
toggle.addEventListener("click", () => open(panel.hidden));
byId("connect-close").addEventListener("click", () => {
  open(false);
  toggle.focus();
});
document.querySelector(".top a[href='#connect']").addEventListener("click", () => open(true));
tabs.addEventListener("keydown", ({ key }) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
  if (step === undefined) return;
  const at = list.findIndex(([name]) => name === chosen);
  const [name] = list[(at + step + list.length) % list.length];
  choose(name);
  tabs.querySelector("[aria-selected=true]").focus();
});
byId("connect-copy").addEventListener("click", async ({ currentTarget }) => {
  const done = await copy(code.textContent);
  set(currentTarget, done ? "Copied" : "Press Ctrl+C");
  if (!done) getSelection().selectAllChildren(code);
  speak(done ? `${chosen} example copied` : "Selected; press Ctrl+C to copy");
  setTimeout(() => set(byId("connect-copy"), "Copy"), 2000);
});

// One certificate, with all that its message contains.

import { address, byId, copy, element, number, set } from "../text.js";
import { marked, unicode } from "./names.js";
import { certificate, issuer, kind, sorted, untitled, validity } from "./row.js";
import { download, pem } from "./save.js";

// A certificate may have thousands of names.
const MOST_NAMES = 200;
const LINK = "#certificate=";

const dialog = byId("detail");
const note = (text) => set(byId("detail-note"), text);

let shown = null;
// Fetches one message; whether the page can have the certificate itself; whether it is real.
let server = { one: async () => null, hasFull: false, isDemo: true };

const date = (seconds) => {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString().replace(/(\.\d+)?Z$/, "Z").replace("T", " ");
};

function ending(seconds) {
  const days = Math.floor((seconds - Date.now() / 1000) / 86_400);
  return `${date(seconds)} ${days < 0 ? "(expired)" : `(in ${number(days)} days)`}`;
}

// A URL from a log becomes a link only if it is one of the web.
function link(url, text) {
  if (!/^https?:\/\//i.test(url)) return url;
  const made = element("a", "", text ?? url);
  made.href = url;
  made.rel = "noreferrer noopener";
  made.target = "_blank";
  return made;
}

// Bytes in hexadecimal break between bytes only.
function hex(text) {
  return text && text.split(":").flatMap((byte, at) => (at ? [":", element("wbr"), byte] : [byte]));
}

function lookup(sha256) {
  return link(`https://crt.sh/?q=${encodeURIComponent(sha256.replaceAll(":", ""))}`, "look up on crt.sh");
}

function facts({ leaf_cert: leaf, source, ...data }) {
  if (source === undefined) return [];
  const sha256 = hex(leaf.sha256);
  return [
    ["Subject", leaf.subject?.aggregated],
    ["Issuer", leaf.issuer?.aggregated],
    ["Valid from", date(leaf.not_before)],
    ["Valid until", ending(leaf.not_after)],
    ["Serial number", leaf.serial_number],
    ["SHA-256", sha256 && (server.isDemo ? sha256 : [...sha256, " ", lookup(leaf.sha256)])],
    ["SHA-1", hex(leaf.sha1)],
    ["Signed with", leaf.signature_algorithm],
    ["Certificate authority", leaf.is_ca ? "yes" : "no"],
    ["Entry", `${kind(data)}, number ${number(data.cert_index)}`],
    ["Log", [source.name, ...(source.operator ? [` (${source.operator})`] : [])]],
    ["Log URL", source.url],
    ["Entry in the log", data.cert_link && link(data.cert_link)],
    ["Logged", data.submission_timestamp && date(data.submission_timestamp)],
    ["Seen", data.seen && date(data.seen)],
  ].filter(([, value]) => value);
}

function rows(list) {
  return list.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", ...[value].flat())]);
}

function extensions({ extensions: all = {} }) {
  return Object.entries(all).filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => {
    const text = typeof value === "string" ? value.trim() : JSON.stringify(value);
    return [name, /([0-9A-F]{2}:){5}/.test(text) ? hex(text) : text || "present"];
  });
}

const sighting = ({ source, cert_index: index, submission_timestamp: time }) =>
  [source, `number ${number(index)}, logged ${date(time)}`];

const items = (names) => names.map(({ name, part }) => {
  const readable = unicode(name);
  const item = element("li", "", ...marked(name, part));
  if (readable) item.append(" ", element("small", "", element("bdi", "", readable)));
  return item;
});

// Of a certificate of the history, `kept` has what its JSON is, and fetches its PEM and its entries in logs.
export function open(data, offset, filter, kept = null) {
  const names = sorted(data, filter);
  const leaf = data.leaf_cert;
  shown = { data, offset, name: names[0]?.name ?? untitled(data), kept };
  set(byId("detail-title"), shown.name || "unnamed certificate");
  set(byId("detail-about"), [issuer(leaf.issuer), validity(leaf)].filter(Boolean).join(" · "));
  byId("detail-facts").replaceChildren(...rows(facts(data)));
  const list = items(names.slice(0, MOST_NAMES));
  if (names.length > MOST_NAMES) list.push(element("li", "", `and ${number(names.length - MOST_NAMES)} more`));
  byId("detail-names-title").textContent = `Names (${number(names.length)})`;
  byId("detail-names").replaceChildren(...list);
  byId("detail-names").hidden = names.length === 0;
  const more = extensions(leaf);
  byId("detail-extensions-title").hidden = more.length === 0;
  byId("detail-extensions").replaceChildren(...rows(more));
  showSightings(shown);
  byId("detail-pem").hidden = !kept && (!server.hasFull || data.source === undefined);
  byId("detail-link").hidden = offset === undefined;
  note("");
  dialog.showModal();
  dialog.scrollTop = 0;
}

// They are fetched while the certificate is shown.
async function showSightings(of) {
  const show = (list) => {
    byId("detail-sightings-title").hidden = list.length === 0;
    byId("detail-sightings").replaceChildren(...rows(list.map(sighting)));
  };
  show([]);
  const list = await of.kept?.sightings();
  if (list && of === shown) show(list);
}

export const isOpen = () => dialog.open;

// Tells what the server offers: `one(kind, offset, parameters)`, `hasFull`, `isDemo`.
export function serving(now) {
  server = now;
}

// Only the certificate's own names: the server sends what follows until the connection is closed.
function narrow({ leaf_cert: { all_domains: names = [] } }) {
  const domain = names.find((name) => /^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(name));
  return domain === undefined ? {} : { domain, exact: true };
}

async function savePem() {
  const of = shown;
  note("Fetching the certificate…");
  const text = await (of.kept ? of.kept.pem() : pemOf(of));
  if (of !== shown) return;
  if (!text) return note("The server no longer has this certificate; the log does: follow “Entry in the log”.");
  const isPrecert = kind(of.data) === "precert";
  note(isPrecert ? "Downloaded. It is a precertificate: it has the poison extension." : "Downloaded.");
  download(of.name, "pem", "application/x-pem-file", text);
}

// The certificate from the stream that has it.
async function pemOf(of) {
  const message = await server.one("full", of.offset, narrow(of.data));
  const der = message?.data.leaf_cert.as_der;
  return der ? pem(der) : null;
}

const json = () => JSON.stringify(shown.kept?.json ?? shown.data, null, 2);

async function copied(text, what) {
  note((await copy(text)) ? `${what} copied.` : "The browser does not allow copying.");
}

// Opens the certificate that the address names, as "Copy link" made it.
export async function openLinked(kindOfStream, filter) {
  const offset = Number(location.hash.startsWith(LINK) ? location.hash.slice(LINK.length) : NaN);
  if (!Number.isSafeInteger(offset)) return;
  history.replaceState(null, "", location.pathname + location.search);
  const message = await server.one(kindOfStream, offset, {});
  if (message !== null) return open(certificate(message), offset, filter);
  set(byId("reason"), "The linked certificate is no longer in the server's buffer.");
  byId("reason").hidden = false;
}

byId("detail-pem").addEventListener("click", savePem);
byId("detail-json").addEventListener("click", () => download(shown.name, "json", "application/json", json()));
byId("detail-copy").addEventListener("click", () => copied(json(), "JSON"));
byId("detail-link").addEventListener("click", () => copied(address("/").href.replace(/\?$/, "") + LINK + shown.offset, "Link"));
// A click beside it closes it.
dialog.addEventListener("click", ({ target }) => {
  if (target === dialog) dialog.close();
});

// The page: what the parts have to do with each other.

import { Certificates } from "./certificates.js";
import { filtering, serving } from "./connect.js";
import * as detail from "./detail.js";
import { watch } from "./logs.js";
import * as rate from "./rate.js";
import { Stream, address } from "./stream.js";
import { byId, duration, number, set, speak } from "./text.js";

const PARAMETERS = ["match", "domain", "issuer", "log"];
// A filter is tried when nothing was typed for so long.
const TYPED = 400;

// Browsers cannot send headers with a WebSocket: a token goes on as it came (auth.query_token).
const token = new URLSearchParams(location.search).get("token");
const always = token === null ? {} : { token };

const certificates = new Certificates(detail);
const stream = new Stream({
  always,
  onState(kind, text) {
    byId("state").dataset.is = kind;
    set(byId("state"), text);
  },
  onMessage(text, isNew) {
    if (isNew) rate.add();
    certificates.take(text);
  },
  onGap(dropped) {
    const some = dropped === null ? "Some" : `Up to ${number(dropped)}`;
    speak(`${some} certificates may have been missed`);
  },
});

let server = null;
let filter = {};

// The first stream that is on; the page reads any of them.
function path({ serves }) {
  if (!serves.websocket) return null;
  if (serves.lite) return "/";
  if (serves.full) return "/full-stream";
  return serves.domains ? "/domains-only" : null;
}

function begin() {
  if (server === null) return;
  const at = path(server);
  if (at === null) stream.stop("WebSocket is disabled on this server");
  else stream.begin(at, filter, server.head);
}

function answered(state) {
  const isFirst = server === null;
  server = state;
  set(byId("version"), `certstream-server ${state.version}`);
  set(byId("uptime"), `up ${duration(state.uptime_secs)}`);
  serving(state.serves);
  if (isFirst) begin();
}

// The filter as the server would say what is wrong with it; null if nothing is.
async function problem(wanted) {
  if (Object.keys(wanted).length === 0) return null;
  const answer = await fetch(address("/page/filter", wanted)).catch(() => null);
  return answer?.status === 400 ? (await answer.text()).trim() : null;
}

function typed() {
  const text = byId("filter-text").value;
  const terms = text.split(",").map((term) => term.trim()).filter(Boolean);
  return terms.length ? { [byId("filter-by").value]: terms.join(",") } : {};
}

async function apply() {
  const wanted = typed();
  if (JSON.stringify(wanted) === JSON.stringify(filter)) return;
  const wrong = await problem(wanted);
  // Somebody may have typed on meanwhile.
  if (JSON.stringify(wanted) !== JSON.stringify(typed())) return;
  set(byId("filter-problem"), wrong ?? "");
  byId("filter-text").setAttribute("aria-invalid", String(wrong !== null));
  if (wrong !== null) return;
  filter = wanted;
  // The address of this page is that of the stream: it can be passed on, and connected to.
  history.replaceState(null, "", address("/", { ...filter, ...always }));
  certificates.clear();
  set(byId("nothing"), Object.keys(filter).length ? "No certificate has matched the filter yet." : "Waiting for the first certificate…");
  filtering(filter, always);
  begin();
}

function restore() {
  const given = new URLSearchParams(location.search);
  const parameter = PARAMETERS.find((name) => given.has(name));
  if (parameter === undefined) return;
  byId("filter-by").value = parameter;
  byId("filter-text").value = given.getAll(parameter).join(",");
  apply();
}

let timer = null;
const soon = (delay) => {
  clearTimeout(timer);
  timer = setTimeout(apply, delay);
};
byId("filter-text").addEventListener("input", () => soon(TYPED));
byId("filter-by").addEventListener("change", () => soon(0));
byId("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  soon(0);
});

filtering(filter, always);
restore();
watch(answered);

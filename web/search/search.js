// The history: a search of the certificates that the server keeps, with results as they come.

import { Filter } from "../filter/filter.js";
import * as detail from "../stream/detail.js";
import { age, row } from "../stream/row.js";
import { headers } from "../stream/transport.js";
import { address, byId, count, number, set, speak } from "../text.js";
import * as token from "../token.js";
import { lines } from "./lines.js";

// Results that "More" adds.
const AT_ONCE = 50;
const DAY = 86_400;

const [form, by, text, span, problem, body] =
  ["history-form", "history-by", "history-text", "history-span", "history-problem", "history-rows"].map(byId);
const more = byId("history-more");

// The search that is shown: its parameters, where it continues, and how to end its request.
let shown = null;
let server = null;

const request = (path, parameters, options = {}) =>
  fetch(address(path, parameters), { ...options, headers: headers(server.auth, token.current()) });

function parameters() {
  const wanted = { [by.value]: text.value.trim(), limit: AT_ONCE };
  if (span.value) wanted.since_time = Math.floor(server.now - span.value * DAY);
  if (byId("history-unique").checked) wanted.unique = "certificate";
  return wanted;
}

function say(words) {
  set(byId("history-state"), words);
}

function fail(words) {
  set(problem, words);
  text.setAttribute("aria-invalid", String(words !== ""));
}

const when = (time) => new Date(time).toLocaleString("en-GB");

// Opens a certificate with what only the server knows: all entries of logs that have it.
async function open(result, filter) {
  const hash = result.sha256.replaceAll(":", "");
  const answer = await request(`/api/cert/${hash}`, {}).catch(() => null);
  const found = answer?.ok ? await answer.json() : result;
  const pem = async () => {
    const file = await request(`/api/cert/${hash}`, { format: "pem" }).catch(() => null);
    return file?.ok ? file.text() : null;
  };
  detail.open(data(found), undefined, filter, { pem, sightings: found.sightings ?? [] });
}

// A result in the form of a message.
const data = (found) => ({
  ...found, leaf_cert: found, source: { name: found.source, url: found.source_url },
});

function add(result, filter) {
  const made = row(data(result), filter);
  const seen = made.querySelector("time");
  seen.dateTime = new Date(result.seen * 1000).toISOString();
  seen.title = when(result.seen * 1000);
  age(made, result, server.now);
  const name = made.querySelector("button");
  name.tabIndex = 0;
  name.addEventListener("click", () => open(result, filter));
  body.append(made);
}

function ended(search, { cursor, searched, complete }) {
  search.cursor = cursor;
  more.hidden = cursor === null;
  const back = searched.since_time && cursor !== null ? ` since ${when(searched.since_time)}` : "";
  const lost = cursor === null && !complete ? " A part is no longer kept." : "";
  const rest = cursor === null ? " That is all." : "";
  say(`${count(search.found, "certificate", "certificates")} found${back}.${rest}${lost}`);
  speak(`${number(search.found)} found`);
}

// Searches on, and shows results as they arrive.
async function run(search) {
  const filter = new Filter(["match", "domain"].includes(search.by) ? [{ by: search.by, text: search.wanted[search.by] }] : []);
  say("Searching…");
  more.hidden = true;
  fail("");
  const cursor = search.cursor ? { cursor: search.cursor } : {};
  const asked = { ...search.wanted, ...cursor, format: "ndjson" };
  try {
    const answer = await request("/api/search", asked, { signal: search.end.signal });
    if (answer.status === 401) token.ask(token.current() !== null);
    if (!answer.ok) {
      say("");
      return fail((await answer.text()).trim() || `The server answered with status ${answer.status}.`);
    }
    let last = null;
    for await (const line of lines(answer.body)) {
      if (search !== shown) return;
      if (last !== null) {
        add(last, filter);
        search.found += 1;
        say(`Searching… ${number(search.found)} found`);
      }
      last = line;
    }
    if (last === null || !("searched" in last)) throw new Error("the answer broke off");
    ended(search, last);
  } catch (error) {
    if (search !== shown || error.name === "AbortError") return;
    say("");
    fail("The search broke off: the server does not answer.");
    more.hidden = !search.cursor;
  }
}

function begin(event) {
  event.preventDefault();
  shown?.end.abort();
  body.replaceChildren();
  byId("history-board").hidden = false;
  const wanted = parameters();
  shown = { by: by.value, wanted, cursor: null, found: 0, end: new AbortController() };
  const { limit, ...api } = wanted;
  byId("history-api").href = address("/api/search", api).href;
  byId("history-api").hidden = false;
  run(shown);
}

// Tells what the server offers; the section is there only if it can search.
export function serving(answer) {
  server = answer;
  const isOn = answer.serves.search;
  byId("history").hidden = !isOn;
  byId("history-nav").hidden = !isOn;
}

form.addEventListener("submit", begin);
more.addEventListener("click", () => shown && run(shown));

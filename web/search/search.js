// The history: a search of the certificates that the server keeps, with results as they come.

import { Filter } from "../filter/filter.js";
import * as detail from "../stream/detail.js";
import { row } from "../stream/row.js";
import { headers } from "../stream/transport.js";
import { address, byId, count, number, set, speak } from "../text.js";
import * as token from "../token.js";
import { lines, refusal } from "./answer.js";
import { exact, short } from "./time.js";

// Results that "More" adds.
const AT_ONCE = 50;
const DAY = 86_400;
const BUSY = "The server is busy: too many searches are under way. Try again later.";

const EXAMPLES = {
  domain: "example.org", match: "paypal", issuer: "Let's Encrypt", serial: "03:AB:CD:…", ip: "192.0.2.1, 2001:db8::/32",
};

const [form, by, text, span, problem, body] =
  ["history-form", "history-by", "history-text", "history-span", "history-problem", "history-rows"].map(byId);
const more = byId("history-more");

// The search that is shown: its parameters, where it continues, the offsets of its rows, and how to end its request.
let shown = null;
let server = null;
// The certificate of each row.
const certificates = new WeakMap();

const request = (path, parameters, options = {}) =>
  fetch(address(path, parameters), { ...options, headers: headers(server.auth, token.current()) });

function parameters() {
  const wanted = { [by.value]: text.value.trim(), limit: AT_ONCE };
  if (span.value) wanted.since_time = Math.floor(server.now - span.value * DAY);
  if (byId("history-unique").checked) wanted.unique = "certificate";
  return wanted;
}

const say = (words) => set(byId("history-state"), words);

function fail(words) {
  set(problem, words);
  text.setAttribute("aria-invalid", String(words !== ""));
}

// Opens a certificate with what only the server knows: its PEM, and all entries of logs that have it.
function open({ result, filter }) {
  const path = `/api/cert/${result.sha256.replaceAll(":", "")}`;
  const ask = async (options, read) => {
    const answer = await request(path, options).catch(() => null);
    return answer?.ok ? read(answer) : null;
  };
  const pem = () => ask({ format: "pem" }, (answer) => answer.text());
  const sightings = () => ask({}, async (answer) => (await answer.json()).sightings);
  detail.open(data(result), result.offset, filter, { json: result, pem, sightings });
}

// A result in the form of a message.
const data = (found) => ({
  ...found, leaf_cert: found, source: { name: found.source, url: found.source_url },
});

function add(result, filter) {
  const made = row(data(result), filter);
  const seen = made.querySelector("time");
  const time = new Date(result.seen * 1000);
  seen.dateTime = time.toISOString();
  seen.title = exact(time);
  set(seen, short(time));
  made.querySelector("button").tabIndex = 0;
  certificates.set(made, { result, filter });
  body.append(made);
  return made;
}

// Reports whether a request searched nothing, since other searches take all the server's time.
const isBusy = (before, { cursor, searched }) =>
  cursor !== null && (before === null ? searched.since === searched.until : cursor === before);

// Says what was found, in which time, and if something is left or missing.
function ended(search, end) {
  const { cursor, searched, complete } = end;
  const { cursor: before, offsets: { size: total } } = search;
  search.cursor = cursor;
  more.hidden = cursor === null;
  // "More" is there without rows, too.
  if (!more.hidden) byId("history-board").hidden = false;
  if (isBusy(before, end)) return broken(search, BUSY);
  const found = total === 0 ? "Nothing found" : `${count(total, "certificate", "certificates")} found`;
  const back = searched.since_time === null ? "" : `; searched back to ${exact(new Date(searched.since_time))}`;
  const lost = cursor === null && !complete ? " A part is no longer kept, damaged, or not indexed yet." : "";
  const words = `${found}${back}.${lost}`;
  say(words);
  speak(words);
}

// Searches on, and shows results as they arrive. The first new one has the focus if "More" was chosen.
async function run(search, isMore = false) {
  const { by: kind, wanted, cursor } = search;
  const filter = Filter.read(new URLSearchParams({ [kind]: wanted[kind] }));
  let takesFocus = isMore && document.activeElement === more;
  const show = (result) => {
    // A request that failed is repeated, and finds again what it had found.
    if (search.offsets.has(result.offset)) return;
    search.offsets.add(result.offset);
    byId("history-board").hidden = false;
    const made = add(result, filter);
    if (takesFocus) made.querySelector("button").focus();
    takesFocus = false;
    say(`Searching… ${number(search.offsets.size)} found`);
  };
  say("Searching…");
  fail("");
  search.isRunning = true;
  try {
    const asked = { ...wanted, ...(cursor ? { cursor } : {}), format: "ndjson" };
    const answer = await request("/api/search", asked, { signal: search.end.signal });
    if (search !== shown) return;
    if (answer.status === 401) token.ask(token.current() !== null);
    if (!answer.ok) return broken(search, await refusal(answer));
    let last = null;
    for await (const line of lines(answer.body)) {
      if (search !== shown) return;
      // The last line is no result.
      if (last !== null) show(last);
      last = line;
    }
    if (last === null || !("searched" in last)) throw new Error("the answer is incomplete");
    ended(search, last);
  } catch (error) {
    if (search !== shown || error.name === "AbortError") return;
    broken(search, "The search ended early: the server does not answer.");
  } finally {
    search.isRunning = false;
  }
}

function broken(search, words) {
  if (search !== shown) return;
  const { size } = search.offsets;
  say(size > 0 ? `${number(size)} found so far.` : "");
  fail(words);
}

function begin(event) {
  event.preventDefault();
  shown?.end.abort();
  body.replaceChildren();
  byId("history-board").hidden = more.hidden = true;
  const wanted = parameters();
  shown = {
    by: by.value, wanted, cursor: null, offsets: new Set(), isRunning: false, end: new AbortController(),
  };
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
by.addEventListener("change", () => {
  text.placeholder = EXAMPLES[by.value];
  fail("");
});
more.addEventListener("click", () => {
  if (shown !== null && !shown.isRunning) run(shown, true);
});
body.addEventListener("click", ({ target }) => {
  const chosen = certificates.get(target.closest("tr"));
  if (chosen !== undefined) open(chosen);
});

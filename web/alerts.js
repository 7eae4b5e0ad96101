// The newest alerts, where this page may read them: requested every few seconds.

import { exact, short } from "./search/time.js";
import { headers } from "./stream/transport.js";
import { address, byId, clock, count, element, number, set, speak, visible } from "./text.js";
import * as token from "./token.js";

const EVERY = 9000;
// A request without an answer is given up after this time (ms).
const PATIENCE = 8000;
const MOST = 50;
const MOST_RECEIVERS = 10;
const STATES = { arrived: ["arrived", "good"], waiting: ["waiting", "warn"], dead_letter: ["not delivered", "bad"] };

const [section, body, rule] = ["alerts", "alert-rows", "alerts-rule"].map(byId);

// The last answer, the time of its request, and the token with which the server refuses them.
let [shown, asked, refused, isAsking] = [null, -Infinity, undefined, false];
// The newest alert of all rules.
let newest = null;

function show(isOn) {
  section.hidden = byId("alerts-nav").hidden = !isOn;
}

// An alert's state at its receivers, in words: "arrived", or "1 arrived", "2 waiting".
function states(receivers) {
  const names = Object.keys(receivers);
  const tags = Object.entries(STATES).flatMap(([state, [word, look]]) => {
    const here = names.filter((name) => receivers[name] === state);
    if (here.length === 0) return [];
    const tag = element("span", `tag ${look}`, here.length === names.length ? word : `${number(here.length)} ${word}`);
    tag.title = visible(here.join("\n"));
    return [tag, " "];
  });
  return tags.length ? tags : ["–"];
}

function title({ link, reasons, certificate }) {
  const name = reasons.find((reason) => reason.name)?.name ?? certificate.names[0] ?? "unnamed certificate";
  const more = certificate.name_count - 1;
  const text = element("b", "", name);
  const made = /^https?:/.test(link) ? element("a", "", text) : text;
  if (made !== text) Object.assign(made, { href: link, rel: "noopener", target: "_blank" });
  return more > 0 ? [made, element("small", "", ` +${number(more)}`)] : [made];
}

function row(alert) {
  const made = element("tr");
  made.setAttribute("role", "row");
  const seen = new Date(alert.sightings[0]?.seen ?? NaN);
  const time = element("time", "", Number.isNaN(+seen) ? "–" : short(seen));
  if (!Number.isNaN(+seen)) Object.assign(time, { dateTime: seen.toISOString(), title: exact(seen) });
  const cells = [
    title(alert), alert.reasons.map(({ text }) => element("span", "", text)), [alert.rule],
    states(alert.receivers), [time],
  ];
  for (const [at, label] of ["Name", "Reason", "Rule", "Delivery", "Seen"].entries()) {
    const cell = made.insertCell();
    cell.setAttribute("role", "cell");
    cell.dataset.label = label;
    cell.append(...cells[at].map((part) => (typeof part === "string" ? visible(part) : part)));
  }
  made.cells[4].className = "number";
  return made;
}

// The rules with alerts, and the one that is chosen.
function choices(rules) {
  const chosen = rule.value;
  const names = rules.filter(({ alerts, name }) => alerts > 0 || name === chosen).map(({ name }) => name);
  const options = names.map((name) => Object.assign(element("option", "", name), { value: name }));
  rule.replaceChildren(rule.options[0], ...options);
  rule.value = names.includes(chosen) ? chosen : "";
}

// Why a receiver gets nothing, in words.
function failure({ name, waiting, last_failure: { time, reason, attempts, next_attempt: next } }) {
  const then = next ? `, the next one is at ${clock(new Date(next))}` : "";
  const text = `: attempt ${number(attempts)} failed at ${exact(new Date(time))}${then}; ${count(waiting, "alert waits", "alerts wait")}: `;
  return element("li", "", element("b", "", name), text, element("q", "", reason));
}

function fillFailures(receivers) {
  const failing = receivers.filter((receiver) => receiver.last_failure);
  const lines = failing.slice(0, MOST_RECEIVERS).map(failure);
  const more = failing.length - lines.length;
  if (more > 0) lines.push(element("li", "", `and ${count(more, "other receiver", "other receivers")}`));
  byId("alerts-failing").replaceChildren(...lines);
}

function fill({ alerts, rules, receivers, is_running: isRunning }) {
  body.replaceChildren(...alerts.map(row));
  byId("no-alerts").hidden = alerts.length > 0;
  byId("alerts-board").hidden = alerts.length === 0;
  choices(rules);
  fillFailures(receivers);
  const lost = receivers.reduce((sum, { dead_letters: here }) => sum + here, 0);
  const here = lost ? `${number(lost)} not delivered` : count(rules.length, "rule", "rules");
  set(byId("alerts-summary"), isRunning ? here : "Another node of the cluster has the alerts.");
  if (rule.value !== "") return;
  const first = alerts[0];
  if (newest !== null && first && first.id !== newest) speak(`New alert: ${first.rule}`);
  newest = first?.id ?? "";
}

async function ask(auth) {
  const wanted = { limit: MOST, ...(rule.value ? { rule: rule.value } : {}) };
  const options = { headers: headers(auth, token.current()), cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
  const answer = await fetch(address("/api/alerts", wanted), options);
  if ([401, 403, 404].includes(answer.status)) {
    refused = token.current();
    show(false);
  }
  if (!answer.ok) return;
  const text = await answer.text();
  show(true);
  if (text === shown) return;
  shown = text;
  fill(JSON.parse(text));
}

let server = null;

async function again() {
  const isRefused = refused !== undefined && refused === token.current();
  if (isAsking || isRefused || !server?.serves.alerts || document.hidden) return;
  [isAsking, asked] = [true, performance.now()];
  // The page shows that the server does not answer.
  await ask(server.auth).catch(() => null);
  isAsking = false;
}

// Takes an answer of the server, which says if it has rules for alerts.
export function serving(answer) {
  server = answer;
  if (!answer.serves.alerts) [refused, asked] = [undefined, -Infinity];
  if (!answer.serves.alerts) show(false);
  if (performance.now() - asked >= EVERY) again();
}

rule.addEventListener("change", () => {
  asked = -Infinity;
  again();
});

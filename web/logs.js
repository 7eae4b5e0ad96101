// The table of logs, requested every few seconds together with what else the server says about itself.

import { address, byId, count, duration, element, number, set } from "./text.js";

const EVERY = 3000;
// The first answers come sooner: a rate needs two.
const SOON = 1200;
// A request without an answer is given up after this time (ms).
const PATIENCE = 8000;
// The server is said not to answer after so many failures.
const FAILURES = 2;
// Logs that are shown at first; those that need attention come first.
const FEW = 10;
const HEALTH = ["unhealthy", "degraded", "healthy"];
const TAGS = { healthy: "good", degraded: "warn", unhealthy: "bad" };
const MOST_ALARMS = 3;

const body = byId("log-rows");
const rows = new Map();
const heads = [...document.querySelectorAll(".logs th")];

const ORDERS = {
  name: (log) => log.name.toLowerCase(),
  health: (log) => (log.alarms.length ? -1 : HEALTH.indexOf(log.health)),
  lag: (log) => log.lag_secs * 1e12 + log.lag_entries,
  size: (log) => log.tree_size,
  verified: (log) => log.verified_through ?? -1,
};
let chosen = null;
let all = false;
let newest = [];

const compare = (one, other) => (one < other ? -1 : Number(one > other));

// Logs that need attention come first, unless the user has chosen another order.
function sorted(logs) {
  const usual = (one, other) =>
    compare(ORDERS.health(one), ORDERS.health(other)) || compare(ORDERS.name(one), ORDERS.name(other));
  if (chosen === null) return logs.toSorted(usual);
  const of = ORDERS[chosen.by];
  const sign = chosen.ascending ? 1 : -1;
  return logs.toSorted((one, other) => sign * compare(of(one), of(other)) || usual(one, other));
}

for (const head of heads) {
  head.querySelector("button").addEventListener("click", () => {
    const { by } = head.dataset;
    const again = chosen?.by === by;
    chosen = { by, ascending: again ? !chosen.ascending : by === "name" || by === "health" };
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", chosen.ascending ? "ascending" : "descending");
    arrange();
  });
}

function arrange() {
  const wanted = sorted(newest).map((log) => rows.get(log.url));
  if (wanted.some((row, at) => body.rows[at] !== row)) body.replaceChildren(...wanted);
  wanted.forEach((row, at) => { row.hidden = !all && at >= FEW; });
  const more = byId("all-logs");
  more.hidden = all || wanted.length <= FEW;
  set(more, `Show all ${number(wanted.length)} logs`);
}

byId("all-logs").addEventListener("click", () => {
  all = true;
  arrange();
});

function make() {
  const row = element("tr");
  row.setAttribute("role", "row");
  for (const label of ["Log", "Health", "Lag", "Entries", "Verified"]) {
    const cell = row.insertCell();
    cell.setAttribute("role", "cell");
    cell.dataset.label = label;
    if (row.cells.length > 2) cell.className = "number";
    cell.append(element("span"), element("small"));
  }
  row.cells[0].append(element("small", "bad"));
  return row;
}

function verified(log, verification) {
  if (verification === "off") return ["off", "not verified"];
  if (log.verified_through === null) return ["–", log.unproved ?? "nothing yet"];
  const left = Math.max(log.tree_size - log.verified_through, 0);
  return [left ? `${number(left)} to go` : "up to date", log.unproved ?? `through ${number(log.verified_through)}`];
}

function fill(row, log, verification) {
  const isRead = log.next_index !== null;
  const about = [log.operator, log.protocol, log.draining ? "leaving the list" : log.state];
  const texts = [
    [log.name, about.filter(Boolean).join(" · ")],
    [log.alarms.length ? "alarm" : log.health, log.paused_secs ? `paused by the log, ${duration(log.paused_secs)}` : ""],
    isRead ? [duration(log.lag_secs), count(log.lag_entries, "entry", "entries")] : ["–", "not read yet"],
    [number(log.tree_size), ""],
    verified(log, verification),
  ];
  texts.forEach(([main, small], at) => {
    set(row.cells[at].children[0], main);
    set(row.cells[at].children[1], small);
  });
  const tag = row.cells[1].children[0];
  tag.className = `tag ${log.alarms.length ? "bad" : TAGS[log.health]}`;
  const wrong = [...log.alarms.slice(0, MOST_ALARMS), log.error].filter(Boolean);
  set(row.cells[0].children[2], wrong.join(" · "));
}

function show({ logs, verification }) {
  newest = logs;
  const urls = new Set(logs.map((log) => log.url));
  for (const url of rows.keys()) if (!urls.has(url)) rows.delete(url);
  for (const log of logs) {
    if (!rows.has(log.url)) rows.set(log.url, make());
    fill(rows.get(log.url), log, verification);
  }
  if (logs.length === 0) body.replaceChildren();
  arrange();
  byId("no-logs").hidden = logs.length > 0;

  const healthy = logs.filter((log) => log.health !== "unhealthy").length;
  set(byId("answering"), logs.length ? `${number(healthy)} of ${number(logs.length)}` : "none");
  const alarms = logs.reduce((sum, log) => sum + log.alarms.length, 0);
  const proof = verification === "off" ? "off" : "no alarms";
  set(byId("proof"), logs.length === 0 ? "–" : alarms ? count(alarms, "alarm", "alarms") : proof);
  byId("proof").classList.toggle("bad", alarms > 0);
  byId("answering").classList.toggle("bad", healthy < logs.length || logs.length === 0);
  const behind = logs.filter((log) => log.lag_secs > 60).length;
  set(byId("logs-summary"), behind ? `${number(behind)} more than a minute behind` : "none more than a minute behind");
  byId("logs-summary").hidden = logs.length === 0;
}

async function ask() {
  const answer = await fetch(address("/page/logs.json"), { signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

// Calls `onAnswer` with every answer, and `onFailure` when the server does not answer. A request that
// fails is repeated.
export function watch(onAnswer, onFailure) {
  let [answers, failures, timer, isAsking] = [0, 0, null, false];
  const again = async () => {
    clearTimeout(timer);
    if (isAsking) return;
    if (!document.hidden || answers === 0) {
      isAsking = true;
      const state = await ask().catch(() => null);
      isAsking = false;
      if (state === null) {
        failures += 1;
        if (failures >= FAILURES) onFailure();
      } else {
        [answers, failures] = [answers + 1, 0];
        show(state);
        onAnswer(state);
      }
    }
    timer = setTimeout(again, answers < 3 ? SOON : EVERY);
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) again();
  });
  again();
}

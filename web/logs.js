// The table of logs, asked for again every few seconds.

import { address } from "./stream.js";
import { byId, count, duration, element, number, set } from "./text.js";

const EVERY = 3000;
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
let newest = [];

const compare = (one, other) => (one < other ? -1 : Number(one > other));

// What needs looking at comes first, unless somebody chose otherwise.
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
}

function make() {
  const row = element("tr");
  row.setAttribute("role", "row");
  for (const label of ["Log", "Health", "Lag", "Entries", "Verified through"]) {
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
  const left = Math.max((log.next_index ?? 0) - log.verified_through, 0);
  return [number(log.verified_through), left ? `${number(left)} to go` : "all read"];
}

function fill(row, log, verification) {
  const isRead = log.next_index !== null;
  const about = [log.operator, log.protocol, log.draining ? "leaving the list" : log.state];
  const texts = [
    [log.name, about.filter(Boolean).join(" · ")],
    [log.alarms.length ? "alarm" : log.health, log.paused_secs ? `asked to wait, ${duration(log.paused_secs)}` : ""],
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

function show({ logs, verification, reason }) {
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
  set(byId("no-logs"), reason ?? "No log is followed yet.");

  const healthy = logs.filter((log) => log.health !== "unhealthy").length;
  set(byId("answering"), `${number(healthy)} of ${number(logs.length)}`);
  const alarms = logs.reduce((sum, log) => sum + log.alarms.length, 0);
  const proof = verification === "off" ? "off" : "no alarm";
  set(byId("proof"), alarms ? count(alarms, "alarm", "alarms") : proof);
  const behind = logs.filter((log) => log.lag_secs > 60).length;
  set(byId("logs-summary"), behind ? `${number(behind)} more than a minute behind` : "none more than a minute behind");
  byId("logs-summary").hidden = logs.length === 0;
  set(byId("reason"), reason ?? "");
  byId("reason").hidden = !reason;
}

async function ask(onAnswer) {
  const answer = await fetch(address("/page/logs.json"));
  if (!answer.ok) throw new Error(`${answer.status}`);
  const state = await answer.json();
  show(state);
  onAnswer(state);
}

// Calls `onAnswer` with every answer; one that fails is asked for again.
export function watch(onAnswer) {
  const again = async () => {
    if (!document.hidden) await ask(onAnswer).catch(() => {});
    setTimeout(again, EVERY);
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) ask(onAnswer).catch(() => {});
  });
  again();
}

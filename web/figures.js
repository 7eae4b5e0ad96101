// The figures: the rate of the server, and apart from it what matches the filter.

import { byId, clock, number, rate, set } from "./text.js";

// Points of the curve, one for each answer of the server.
const POINTS = 40;
// Fewer are spread over the width of so many.
const FEW = 8;
// The rate of matches is the mean of so many seconds; rarer ones are counted over so many.
const SMOOTH = 10;
const LONG = 300;

const curve = byId("curve");
const { width, height } = curve.viewBox.baseVal;

// The server's last answer: its time, and the certificates published.
let last = null;
let first = null;
const rates = [];
// Certificates received with the current filter: in total, and in each of the last seconds.
let matched = 0;
let seconds = [0];
let filtered = false;
let began = new Date();

// Certificates that the server has published since this filter applies; null if not known yet.
export const checked = () => (first === null || last === null ? null : last.published - first);

// The server's rate: certificates per second; null if not known yet.
export const serverRate = () => rates.at(-1) ?? null;

export function begin(isFiltered) {
  filtered = isFiltered;
  matched = 0;
  seconds = [0];
  began = new Date();
  first = last?.published ?? null;
  byId("matching").hidden = !filtered;
  show();
}

export function add() {
  matched += 1;
  seconds[seconds.length - 1] += 1;
}

// Takes an answer of the server.
export function answered({ now, published }) {
  // A server that was started again counts from zero.
  if (last !== null && published < last.published) [last, first] = [null, 0];
  if (last !== null && now > last.now) {
    rates.push((published - last.published) / (now - last.now));
    if (rates.length > POINTS) rates.shift();
    if (!document.hidden) draw();
  }
  if (last === null || now > last.now) last = { now, published };
  first ??= published;
  show();
}

function matching() {
  const some = seconds.slice(-SMOOTH);
  const now = some.reduce((sum, one) => sum + one, 0) / some.length;
  if (now >= 0.5) return `${rate(now)} per second`;
  const sum = seconds.reduce((all, one) => all + one, 0);
  const span = seconds.length < LONG ? `${seconds.length} s` : "5 min";
  return `${number(sum)} in ${span}`;
}

function show() {
  const smooth = rates.slice(-3);
  set(byId("server-rate"), smooth.length ? rate(smooth.reduce((sum, one) => sum + one, 0) / smooth.length) : "–");
  if (filtered) set(byId("match-rate"), matching());
  set(byId("count-label"), `${filtered ? "Matched" : "Received"} since ${clock(began)}`);
  const all = checked();
  set(byId("count"), filtered && all !== null ? `${number(matched)} of ${number(Math.max(all, matched))}` : number(matched));
}

setInterval(() => {
  seconds.push(0);
  if (seconds.length > LONG) seconds.shift();
  show();
}, 1000);

function draw() {
  const most = Math.max(...rates, 1) * 1.15;
  const steps = Math.max(rates.length, FEW) - 1;
  const x = (at) => width - ((rates.length - 1 - at) * width) / steps;
  const points = rates.map((one, at) => `${x(at).toFixed(1)},${(height - (one / most) * height).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  curve.querySelector(".line").setAttribute("d", line);
  curve.querySelector(".area").setAttribute("d", `${line}L${width},${height}L${x(0)},${height}Z`);
}

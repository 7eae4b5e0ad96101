// How many certificates come, now and over the last minute.

import { byId, number, rate, set } from "./text.js";

const SECONDS = 60;
// The figure is the mean of so many seconds: pages of a log come at once.
const SMOOTH = 5;

const curve = byId("curve");
const { width, height } = curve.viewBox.baseVal;

let total = 0;
let counted = 0;
let ticked = performance.now();
const rates = [];

export function add() {
  total += 1;
}

setInterval(() => {
  const now = performance.now();
  rates.push(((total - counted) * 1000) / (now - ticked));
  if (rates.length > SECONDS) rates.shift();
  counted = total;
  ticked = now;
  const last = rates.slice(-SMOOTH);
  set(byId("rate"), rate(last.reduce((sum, one) => sum + one, 0) / last.length));
  set(byId("count"), number(total));
  if (!document.hidden) draw();
}, 1000);

function draw() {
  const smooth = rates.map((_, at) => {
    const some = rates.slice(Math.max(0, at - 2), at + 1);
    return some.reduce((sum, one) => sum + one, 0) / some.length;
  });
  const most = Math.max(...smooth, 1) * 1.15;
  const x = (at) => width - ((smooth.length - 1 - at) * width) / (SECONDS - 1);
  const points = smooth.map((one, at) => `${x(at).toFixed(1)},${(height - (one / most) * height).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  curve.querySelector(".line").setAttribute("d", line);
  curve.querySelector(".area").setAttribute("d", `${line}L${width},${height}L${x(0)},${height}Z`);
}

// Browser notifications of matches: only with a filter, and only after the user has asked for them.

import { byId, set } from "../text.js";

// At most one in this time (ms); matches in between are counted.
const EVERY = 3000;

const button = byId("notify");
const note = (text) => set(byId("notify-note"), text);

let isOn = false;
let isFiltered = false;
let more = 0;
let next = 0;

// The title shows the number of matches while the page is hidden.
const title = document.title;
let unseen = 0;

export function begin(filter) {
  isFiltered = !filter.isEmpty;
  [more, unseen] = [0, 0];
  document.title = title;
  if (!isFiltered) turn(false);
}

function turn(on) {
  if (isOn === on) return;
  isOn = on;
  set(button, on ? "Stop notifying" : "Notify me");
  note(on ? "You get a notification for each match, as long as this tab is open." : "");
}

async function asked() {
  if (isOn) return turn(false);
  if (!isFiltered) return note("Add a filter first: without one, every certificate would notify you.");
  if (!("Notification" in globalThis) || !isSecureContext) {
    return note("Browsers allow notifications only on pages served over HTTPS or from localhost.");
  }
  const answer = await Notification.requestPermission();
  if (answer !== "granted") return note("The browser blocks notifications from this page. Allow them in the browser's settings for this site.");
  return isFiltered && turn(true);
}

// Takes a match: its first name, and its issuer.
export function matched(name, by) {
  if (!isFiltered) return;
  if (document.hidden) {
    unseen += 1;
    document.title = `(${unseen > 99 ? "99+" : unseen}) ${title}`;
  }
  if (!isOn) return;
  const now = performance.now();
  if (now < next) {
    more += 1;
    return;
  }
  next = now + EVERY;
  const body = [by, more ? `and ${more} more` : ""].filter(Boolean).join("\n");
  more = 0;
  try {
    new Notification(name, { body, tag: "certstream" }).onclick = () => focus();
  } catch {
    turn(false);
    note("This browser does not support notifications from web pages.");
  }
}

button.addEventListener("click", asked);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unseen = 0;
  document.title = title;
});

// The form of the filter: the text in the box applies at once; "Add filter" keeps it, and clears the box for another.

import { address, button, byId, element, set, speak } from "../text.js";
import { Filter, HIDE, TEXTS } from "./filter.js";

// The pause in typing after which a filter applies (ms).
const TYPED = 400;

const [by, text, entry, chips] = ["filter-by", "filter-text", "filter-entry", "filter-chips"].map(byId);

const EXAMPLES = {
  match: "paypal, login", domain: "example.org", issuer: "let's encrypt", log: "argon", ip: "192.0.2.0/24",
};

// Filters that were added, besides the one in the box.
let kept = [];
let applied = new Filter();
let onChange = () => {};
let timer = null;

function typed() {
  const texts = text.value.split(",").map((term) => term.trim()).filter(Boolean);
  return texts.map((term) => ({ by: by.value, text: term }));
}

function wanted() {
  const kind = entry.value ? [{ by: "entry", text: entry.value }] : [];
  return new Filter([...kept, ...typed(), ...kind]);
}

// Asks the server what is wrong with a filter; null if nothing is.
async function problem(filter) {
  if (Object.keys(filter.server).length === 0) return null;
  const answer = await fetch(address("/page/filter", filter.server)).catch(() => null);
  return answer?.status === 400 ? (await answer.text()).trim() : null;
}

async function apply() {
  const filter = wanted();
  const key = (of) => JSON.stringify(of.all);
  if (key(filter) === key(applied)) {
    show(null);
    return true;
  }
  const wrong = await problem(filter);
  // The user may have continued to type meanwhile.
  if (key(filter) !== key(wanted())) return false;
  show(wrong);
  if (wrong !== null) return false;
  applied = filter;
  onChange(filter);
  return true;
}

function show(wrong) {
  set(byId("filter-problem"), wrong ?? "");
  text.setAttribute("aria-invalid", String(wrong !== null));
}

function soon(delay) {
  clearTimeout(timer);
  timer = setTimeout(apply, delay);
}

function chip(term) {
  const hides = term.by.startsWith(HIDE);
  const kind = TEXTS[hides ? term.by.slice(HIDE.length) : term.by];
  const label = `${hides ? "not: " : ""}${kind} ${term.text}`;
  const remove = button("", "×", () => {
    kept = kept.filter((other) => other !== term);
    showChips();
    speak(`Removed: ${label}`);
    soon(0);
    text.focus();
  });
  remove.setAttribute("aria-label", `Remove the filter: ${label}`);
  const content = [element("small", "", `${hides ? "not: " : ""}${kind}`), " ", element("b", "", term.text), remove];
  return element("li", hides ? "chip hides" : "chip", ...content);
}

function showChips() {
  chips.replaceChildren(...kept.map(chip));
  chips.hidden = kept.length === 0;
  byId("filter-help").hidden = kept.length === 0;
}

// Keeps what is typed if it is a filter.
async function keep() {
  clearTimeout(timer);
  const terms = typed();
  if (terms.length === 0 || !(await apply())) return;
  kept = [...new Filter([...kept, ...terms]).terms];
  text.value = "";
  showChips();
  speak(`${terms.length === 1 ? "Filter" : "Filters"} added`);
}

// Adds a filter from elsewhere on the page.
export function add(term) {
  kept = [...new Filter([...kept, ...typed(), term]).terms];
  text.value = "";
  showChips();
  soon(0);
}

function example() {
  text.placeholder = EXAMPLES[by.value.replace(HIDE, "")];
}

// Reads the filter of the address. One kind of filter can be typed on; more are kept below the box.
function restore() {
  const { terms } = Filter.read(new URLSearchParams(location.search));
  entry.value = terms.find((term) => term.by === "entry")?.text ?? "";
  // The browser may have kept what was in the form.
  [by.value, text.value] = ["match", ""];
  const rest = terms.filter((term) => term.by !== "entry");
  if (rest.length > 0 && rest.every((term) => term.by === rest[0].by)) {
    by.value = rest[0].by;
    text.value = rest.map((term) => term.text).join(", ");
  } else {
    kept = rest;
  }
  showChips();
  example();
}

// Calls `changed(filter)` whenever another filter applies; returns the first.
export function begin(changed) {
  restore();
  applied = wanted();
  onChange = changed;
  text.addEventListener("input", () => soon(TYPED));
  by.addEventListener("change", () => {
    example();
    soon(0);
  });
  entry.addEventListener("change", () => soon(0));
  byId("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    keep();
  });
  problem(applied).then(show);
  return applied;
}

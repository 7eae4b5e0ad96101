// The most frequent issuers, top-level domains and logs of the last five minutes, of the certificates that this
// page receives.

import { button, byId, element, number, set } from "../text.js";

const SLOT = 10;
const SLOTS = 30;
// Different texts that are counted in a slot of a list; anyone can invent names.
const MOST_KEYS = 300;
const LONGEST = 64;
const SHOWN = 5;

const tld = (name) => (/[a-z]/i.test(name) && name.includes(".") ? name.slice(name.lastIndexOf(".") + 1).toLowerCase() : "");

const LISTS = [
  { title: "Issuers", by: "issuer", keys: ({ leaf_cert: { issuer } }) => [issuer?.O || issuer?.CN || ""] },
  { title: "Top-level domains", by: "domain", keys: ({ leaf_cert: leaf }) => new Set((leaf.all_domains ?? []).map(tld)) },
  { title: "Logs", by: "log", keys: ({ source }) => [source?.name ?? ""] },
];

// Slots of ten seconds by their number since 1970; `counts` has a map for each list.
let slots = new Map();
let now = () => Date.now() / 1000;
let onChoose = () => {};

export function begin(choose) {
  onChoose = choose;
  byId("top").querySelector(".tops").replaceChildren(...LISTS.map(make));
  setInterval(() => document.hidden || show(), 1000);
}

export function clock(of) {
  now = of;
}

export function clear() {
  slots = new Map();
  show();
}

function make(list) {
  list.items = element("ol", "top");
  const title = element("h3", "", list.title);
  title.id = `top-${list.by}`;
  list.items.setAttribute("aria-labelledby", title.id);
  return element("div", "board", title, list.items);
}

export function add(data) {
  const at = Math.floor((data.seen ?? now()) / SLOT);
  if (at <= Math.floor(now() / SLOT) - SLOTS) return;
  if (!slots.has(at)) {
    slots.set(at, { total: 0, counts: LISTS.map(() => new Map()) });
    const oldest = Math.floor(now() / SLOT) - SLOTS;
    for (const old of slots.keys()) if (old <= oldest || slots.size > SLOTS + 2) slots.delete(old);
  }
  const slot = slots.get(at);
  if (slot === undefined) return;
  slot.total += 1;
  LISTS.forEach(({ keys }, index) => {
    const map = slot.counts[index];
    for (const key of keys(data)) {
      const short = key.slice(0, LONGEST);
      if (short && (map.has(short) || map.size < MOST_KEYS)) map.set(short, (map.get(short) ?? 0) + 1);
    }
  });
}

function summed(index, current) {
  const sums = new Map();
  for (const { counts } of current) {
    for (const [key, value] of counts[index]) sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return [...sums].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, SHOWN);
}

function show() {
  const oldest = Math.floor(now() / SLOT) - SLOTS;
  const current = [...slots].filter(([at]) => at > oldest).map(([, slot]) => slot);
  const total = current.reduce((sum, slot) => sum + slot.total, 0);
  set(byId("top-count"), total ? `${number(total)} received` : "nothing received yet");
  LISTS.forEach((list, index) => fill(list, summed(index, current), total));
}

function fill({ items, by }, top, total) {
  while (items.children.length > top.length) items.lastChild.remove();
  top.forEach(([key, value], at) => {
    if (items.children.length === at) items.append(item(by));
    const choose = items.children[at].firstChild;
    const [name, share, meter] = choose.children;
    choose.dataset.key = key;
    set(name, by === "domain" ? `.${key}` : key);
    set(share, `${Math.round((100 * value) / total)} %`);
    choose.title = `${number(value)} of ${number(total)}. Select to filter.`;
    meter.max = total;
    meter.value = value;
  });
}

function item(by) {
  const choose = button("", "", ({ currentTarget }) => {
    // A comma would separate terms.
    onChoose({ by, text: currentTarget.dataset.key.split(",")[0].trim() });
  });
  const meter = element("progress");
  meter.setAttribute("aria-hidden", "true");
  choose.append(element("span"), element("small"), meter);
  return element("li", "", choose);
}

// One certificate, all of it.

import { kind } from "./certificates.js";
import { byId, element, number } from "./text.js";

// A certificate may have thousands of names.
const MOST_NAMES = 200;

const dialog = byId("detail");

const date = (seconds) => {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString().replace(".000Z", "Z");
};

function facts({ leaf_cert: leaf, source, ...data }) {
  if (source === undefined) return [];
  return [
    ["Subject", leaf.subject?.aggregated],
    ["Issuer", leaf.issuer?.aggregated],
    ["Valid from", date(leaf.not_before)],
    ["Valid until", date(leaf.not_after)],
    ["Serial number", leaf.serial_number],
    ["SHA-256", leaf.sha256],
    ["Signed with", leaf.signature_algorithm],
    ["Entry", `${kind(data)}, number ${number(data.cert_index)} of ${source.name}`],
    ["Logged at", data.submission_timestamp && date(data.submission_timestamp)],
    ["From the log", data.cert_link],
  ].filter(([, value]) => value);
}

export function open(data) {
  const names = data.leaf_cert.all_domains;
  byId("detail-title").textContent = names[0] ?? data.leaf_cert.subject?.CN ?? "(no name)";
  const rows = facts(data).map(([name, value]) => [element("dt", "", name), element("dd", "", String(value))]);
  byId("detail-facts").replaceChildren(...rows.flat());
  const items = names.slice(0, MOST_NAMES).map((name) => element("li", "", name));
  if (names.length > MOST_NAMES) {
    items.push(element("li", "", `and ${number(names.length - MOST_NAMES)} more`));
  }
  byId("detail-names-title").textContent = `Names (${number(names.length)})`;
  byId("detail-names").replaceChildren(...items);
  byId("detail-names").hidden = names.length === 0;
  dialog.showModal();
}

export const isOpen = () => dialog.open;

// A click beside it closes it.
dialog.addEventListener("click", ({ target }) => {
  if (target === dialog) dialog.close();
});

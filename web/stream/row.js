// A certificate as a row of the table.

import { duration, element, number, set, visible } from "../text.js";
import { marked, unicode } from "./names.js";

const MOST_IN_TITLE = 12;

// The message of a stream as the page uses it: domains only have nothing but names.
export function certificate(message) {
  if (message.message_type === "dns_entries") return { leaf_cert: { all_domains: message.data } };
  return message.data;
}

export const kind = (data) => (data.update_type === "PrecertLogEntry" ? "precert" : "final");

// The issuer as people know it: the organisation, and which of its certificates, which may begin with
// the same word.
export function issuer({ CN, O, aggregated } = {}) {
  const isTwice = O && CN?.startsWith(O.split(" ")[0]);
  const parts = (isTwice ? [CN] : [O, CN]).filter(Boolean);
  return parts.length ? parts.join(" · ") : aggregated ?? "";
}

// The names, those that match the filter first, each with the part that matches.
export function sorted(data, filter) {
  const names = (data.leaf_cert.all_domains ?? []).map((name) => ({ name, part: filter.found(name) }));
  return [...names.filter(({ part }) => part !== null), ...names.filter(({ part }) => part === null)];
}

// The title of a certificate without names.
export function untitled({ leaf_cert: { subject } }) {
  return subject?.CN || subject?.O || subject?.aggregated || "";
}

export function validity({ not_before: from, not_after: until }) {
  return Number.isFinite(until - from) ? `${number(Math.round((until - from) / 86_400))} days` : "";
}

const tag = (text, about) => {
  const made = element("span", "tag", text);
  made.title = about;
  return made;
};

function name(data, filter) {
  const names = sorted(data, filter);
  const cell = element("button", "name");
  cell.type = "button";
  cell.tabIndex = -1;
  cell.title = names.slice(0, MOST_IN_TITLE).map((one) => visible(one.name)).join("\n");
  if (names.length === 0) {
    cell.append(element("b", "", untitled(data) || "unnamed certificate"), tag("no domain", "It has no domain name"));
    return cell;
  }
  const [first] = names;
  const readable = first.part === null ? unicode(first.name) : null;
  cell.append(element("b", "", ...(readable ? [element("bdi", "", readable)] : marked(first.name, first.part))));
  if (readable || unicode(first.name)) cell.append(element("small", "code", readable ? first.name : unicode(first.name)));
  if (first.name.startsWith("*.")) cell.append(tag("wildcard", "It covers every name directly below"));
  if (names.length > 1) cell.append(element("small", "", `+${number(names.length - 1)}`));
  return cell;
}

export function row(data, filter) {
  const made = element("tr");
  made.setAttribute("role", "row");
  const by = element("span", "", issuer(data.leaf_cert.issuer));
  by.title = visible(data.leaf_cert.issuer?.aggregated ?? "");
  const cells = [
    name(data, filter),
    by,
    validity(data.leaf_cert),
    data.update_type === undefined ? "" : element("span", "tag", kind(data)),
    element("time"),
  ];
  for (const content of cells) {
    const cell = made.insertCell();
    cell.setAttribute("role", "cell");
    cell.append(content);
  }
  made.cells[4].className = "number";
  return made;
}

// Sets how long ago it was seen; `now` is the server's time in seconds.
export function age(made, { seen }, now) {
  if (seen !== undefined) set(made.querySelector("time"), duration(Math.max(now - seen, 0)));
}

// Names of certificates as people read them: internationalised names decoded, and the part that matches marked.

import { element } from "../text.js";

const PREFIX = "xn--";
const LONGEST = 253;

// Decodes a label without its prefix (RFC 3492 section 6.2); browsers have only the encoder.
function punycode(label) {
  const cut = label.lastIndexOf("-");
  const out = cut > 0 ? [...label.slice(0, cut)].map((character) => character.codePointAt(0)) : [];
  let [code, at, bias] = [128, 0, 72];
  for (let read = cut > 0 ? cut + 1 : 0; read < label.length; ) {
    const before = at;
    for (let weight = 1, k = 36; ; k += 36) {
      const digit = (parseInt(label[read], 36) + 26) % 36;
      read += 1;
      if (Number.isNaN(digit)) return null;
      at += digit * weight;
      const threshold = Math.min(Math.max(k - bias, 1), 26);
      if (digit < threshold) break;
      weight *= 36 - threshold;
    }
    let delta = Math.floor((at - before) / (before === 0 ? 700 : 2));
    delta += Math.floor(delta / (out.length + 1));
    bias = 0;
    for (; delta > 455; bias += 36) delta = Math.floor(delta / 35);
    bias += Math.floor((36 * delta) / (delta + 38));
    code += Math.floor(at / (out.length + 1));
    at %= out.length + 1;
    if (code > 0x10ffff) return null;
    out.splice(at, 0, code);
    at += 1;
  }
  return String.fromCodePoint(...out);
}

// The Unicode form of a name; null if it has none. The browser's own encoder must lead back to the
// name, so only what IDNA allows is shown: no control characters, no change of direction.
export function unicode(name) {
  if (!name.includes(PREFIX) || name.length > LONGEST) return null;
  const labels = name.toLowerCase().split(".");
  const wild = labels[0] === "*" ? labels.shift() : null;
  try {
    const read = labels.map((label) => (label.startsWith(PREFIX) ? punycode(label.slice(4)) : label));
    if (read.includes(null)) return null;
    if (new URL(`http://${read.join(".")}/`).hostname !== labels.join(".")) return null;
    return [wild, ...read].filter((label) => label !== null).join(".");
  } catch {
    return null;
  }
}

// The A-labels of a typed domain, as the server compares them.
export function ascii(domain) {
  const plain = domain.toLowerCase().replace(/^\*\./, "").replace(/\.$/, "");
  if (/^[\x21-\x7e]*$/.test(plain)) return plain;
  try {
    return new URL(`http://${plain}/`).hostname;
  } catch {
    return plain;
  }
}

export const isBelow = (name, domain) => name === domain || name.endsWith(`.${domain}`);

// The part of a name that a filter matches, as [start, end]; null if it does not match.
// `wanted` has lists of terms: `domain`, `match` and `ip`.
export function found(name, { domain = [], match = [], ip = [] }) {
  const lower = name.toLowerCase();
  for (const term of domain) {
    if (isBelow(lower, term)) return [lower.length - term.length, lower.length];
    // A wildcard covers one label.
    if (lower === `*.${term.slice(term.indexOf(".") + 1)}`) return [0, lower.length];
  }
  for (const term of match) {
    const start = lower.indexOf(term.toLowerCase());
    if (start >= 0) return [start, start + term.length];
  }
  return ip.includes(lower) ? [0, lower.length] : null;
}

// The name as content of an element, the part that matched marked.
export function marked(name, part) {
  if (part === null) return [name];
  const [start, end] = part;
  return [name.slice(0, start), element("mark", "", name.slice(start, end)), name.slice(end)];
}

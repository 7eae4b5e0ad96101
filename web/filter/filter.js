// A filter: terms for the server, and terms of certificates that the page hides.

import { ascii, found, isBelow } from "../stream/names.js";

const KINDS = ["match", "domain", "issuer", "log", "ip", "entry"];
// The server has no excluding filters; it ignores parameters of these names.
const HIDING = ["match", "domain", "issuer", "log"];
export const HIDE = "not-";

export const TEXTS = {
  match: "name contains", domain: "domain", issuer: "issuer contains", log: "log contains", ip: "IP address",
};

export class Filter {
  // `terms` is a list of { by, text }, where `by` is the name of a parameter, with HIDE in front of
  // those that hide.
  constructor(terms = []) {
    const seen = new Set();
    this.terms = terms.filter(({ by, text }) => {
      const key = `${by} ${text}`;
      return !seen.has(key) && seen.add(key);
    });
    const list = (by) => this.terms.filter((term) => term.by === by).map((term) => term.text);
    this.wanted = { match: list("match"), domain: list("domain").map(ascii), ip: list("ip") };
    this.hidden = Object.fromEntries(HIDING.map((by) => [by, list(HIDE + by).map((text) => text.toLowerCase())]));
    this.hidden.domain = this.hidden.domain.map(ascii);
  }

  // From the address of the page, which is also that of the stream.
  static read(parameters) {
    const terms = [];
    for (const by of [...KINDS, ...HIDING.map((name) => HIDE + name)]) {
      const texts = parameters.getAll(by).join(",").split(",").map((text) => text.trim());
      terms.push(...texts.filter(Boolean).map((text) => ({ by, text })));
    }
    return new Filter(terms);
  }

  get isEmpty() {
    return this.terms.length === 0;
  }

  get hides() {
    return Object.values(this.hidden).some((terms) => terms.length > 0);
  }

  // The parameters of requests for the stream.
  get server() {
    return this.#parameters(KINDS);
  }

  // All parameters, for the address of the page.
  get all() {
    return this.#parameters([...KINDS, ...HIDING.map((by) => HIDE + by)]);
  }

  #parameters(names) {
    const parameters = {};
    for (const name of names) {
      const texts = this.terms.filter(({ by }) => by === name).map(({ text }) => text);
      if (texts.length) parameters[name] = texts.join(",");
    }
    return parameters;
  }

  isHidden({ leaf_cert: leaf, source = {} }) {
    const { match, domain, issuer, log } = this.hidden;
    const names = (leaf.all_domains ?? []).map((name) => name.toLowerCase());
    const has = (texts, terms) => texts.some((text) => terms.some((term) => text?.toLowerCase().includes(term)));
    return has(names, match) || names.some((name) => domain.some((term) => isBelow(name, term)))
      || has([leaf.issuer?.CN, leaf.issuer?.O], issuer) || has([source.name, source.url], log);
  }

  // The part of a name that matches, as [start, end]; null if it does not match.
  found(name) {
    return found(name, this.wanted);
  }
}

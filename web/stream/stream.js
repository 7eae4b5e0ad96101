// The stream: hands on every message, and resumes where a connection was cut.

import { KINDS, connect, refusal, ways } from "./transport.js";

// A page begins this many messages before the newest, so that it is never empty.
const BACK = 100;
// The same with a filter, of which few messages pass.
const BACK_FILTERED = 4000;
const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;
// A hidden page ends an unfiltered stream after this time (ms).
const ASLEEP_AFTER = 60_000;
// Longest wait for one message.
const PATIENCE = 10_000;

const REFUSALS = {
  403: "this server does not accept your address",
  404: "this stream is disabled",
  429: "too many connections",
  503: "the server has no room for more filters",
};

export class Stream {
  #server = null;
  #token = null;
  #filter = null;
  // The newest message at the beginning; later ones are new.
  #head = null;
  #last = null;
  #delay = FIRST_DELAY;
  #end = null;
  #timer = null;
  #sleep = null;
  #isBlocked = false;

  // `onState(kind, text)`: connecting, live, down, asleep, token (one is required), off (no stream).
  // `onMessage(message, isNew)` for certificates, which are not new if they came before the page did;
  // `onGap(dropped)` where some may be missing.
  constructor({ onState, onMessage, onGap }) {
    Object.assign(this, { onState, onMessage, onGap });
    document.addEventListener("visibilitychange", () => this.#sleepOrWake());
  }

  // Begins anew with this filter, a little before the newest message.
  begin(server, token, filter) {
    this.#server = server;
    this.#token = token;
    this.#filter = filter;
    this.#head = server.head;
    this.#last = null;
    this.#delay = FIRST_DELAY;
    this.#isBlocked = false;
    this.#open();
  }

  // Takes what the server offers now; its operator may have changed it.
  serving(server) {
    if (this.#server === null) return;
    const offered = ({ serves, auth }) => JSON.stringify([serves, auth]);
    const isChanged = offered(server) !== offered(this.#server);
    this.#server = server;
    if (isChanged && this.#end === null && !document.hidden) this.#open();
  }

  // The stream that the page reads: the lite one if there is one.
  get #kind() {
    return KINDS.find((kind) => this.#server.serves[kind]);
  }

  get #way() {
    const all = ways(this.#server, this.#token);
    return this.#isBlocked && all.includes("events") ? "events" : all[0];
  }

  #parameters() {
    const back = Object.keys(this.#filter.server).length ? BACK_FILTERED : BACK;
    const since = this.#last ?? (this.#head === null ? null : Math.max(this.#head - back, 0));
    const from = since === null ? {} : { since };
    return { ...this.#filter.server, compat: "calidog", ...from, heartbeat: true };
  }

  #open() {
    this.#close();
    const kind = this.#kind;
    const { serves, auth } = this.#server;
    if (kind === undefined || !(serves.websocket || serves.sse)) return this.onState("off", "no stream");
    if (auth.required && !this.#token) return this.#askForToken();
    const way = this.#way;
    this.onState("connecting", "connecting");
    let wasOpen = false;
    this.#end = connect(way, this.#server, kind, this.#parameters(), this.#token, {
      onOpen: () => {
        wasOpen = true;
        this.#delay = FIRST_DELAY;
        this.onState("live", "live");
      },
      onText: (text) => this.#take(JSON.parse(text)),
      onOffset: (offset) => { this.#last = offset; },
      onEnd: (end) => this.#ended(way, wasOpen, end),
    });
  }

  #askForToken() {
    if (ways(this.#server, "any").length === 0) return this.onState("off", "no way to send a token");
    return this.onState("token", this.#token ? "token refused" : "token required");
  }

  async #ended(way, wasOpen, { status, code }) {
    this.#end = null;
    const began = this.#filter;
    if (wasOpen) {
      return this.#again(code === 1001 ? "the server closed the stream" : "connection lost");
    }
    const why = status ?? (await refusal(this.#server, this.#kind, this.#filter.server, this.#token));
    // Another stream may have begun meanwhile.
    if (this.#end !== null || began !== this.#filter) return;
    if (why === 401) return this.#askForToken();
    // The stream is available, but not over WebSocket: a proxy does not forward it.
    if (why === 200 && way === "socket") this.#isBlocked = true;
    const unknown = this.#token ? "cannot connect: wrong token?" : "cannot connect";
    this.#again(REFUSALS[why] ?? (why === 200 ? "WebSocket is blocked" : unknown));
  }

  #again(text) {
    this.onState("down", `${text}, retrying`);
    this.#timer = setTimeout(() => this.#open(), this.#delay);
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
  }

  #close() {
    clearTimeout(this.#timer);
    this.#end?.();
    this.#end = null;
  }

  #take(message) {
    const { message_type: type, offset, dropped } = message;
    // Before the first message a gap only means that the server keeps less than was requested.
    if (type === "gap") return this.#last === null || this.onGap(dropped);
    // The server has searched everything up to there: a filter that seldom matches stays near the head.
    if (offset !== undefined) this.#last = offset;
    if (type !== "certificate_update" && type !== "dns_entries") return undefined;
    const isNew = this.#head === null || offset === undefined || offset > this.#head;
    return this.onMessage(message, isNew);
  }

  #sleepOrWake() {
    clearTimeout(this.#sleep);
    if (this.#server === null) return;
    if (document.hidden && this.#filter.isEmpty && this.#end !== null) {
      this.#sleep = setTimeout(() => {
        this.#close();
        this.#last = this.#head = null;
        this.onState("asleep", "asleep");
      }, ASLEEP_AFTER);
    } else if (!document.hidden && this.#end === null) {
      this.#open();
    }
  }

  // The message with this offset from a stream that has it; null if the server no longer keeps it.
  // A `parameters` that narrows the stream spares what follows.
  one(kind, offset, parameters) {
    return new Promise((resolve) => {
      const all = { ...parameters, compat: "calidog", since: offset - 1 };
      const finish = (message) => {
        clearTimeout(timer);
        end();
        resolve(message);
      };
      const timer = setTimeout(() => finish(null), PATIENCE);
      const end = connect(this.#way, this.#server, kind, all, this.#token, {
        onOpen() {},
        onOffset() {},
        onText(text) {
          const message = JSON.parse(text);
          if (message.message_type !== "gap") finish(message.offset === offset ? message : null);
        },
        onEnd: () => finish(null),
      });
    });
  }
}

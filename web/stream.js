// The connection: counts every message, hands its text on, and resumes where it was cut.

// Where a page begins before the newest message, so that it is never empty.
const BACK = 40;
// The same with a filter, of which few messages pass.
const BACK_FILTERED = 2000;
const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;
// A page that nobody looks at lets go of an unfiltered stream.
const ASLEEP_AFTER = 60_000;

// The end of a message; what is before it is parsed only if it is shown.
const TAIL = /"message_type":"(?:certificate_update|dns_entries)"(?:,"offset":(\d+))?(?:,"truncated":true)?\}\s*$/;

export const address = (path, parameters) => {
  const url = new URL(`.${path}`, new URL(".", location.href));
  url.search = new URLSearchParams(parameters).toString();
  return url;
};

export class Stream {
  #path = null;
  #filter = {};
  #head = null;
  #last = null;
  #delay = FIRST_DELAY;
  #socket = null;
  #timer = null;
  #sleep = null;

  // `onState(kind, text)`; `onMessage(text, isNew)` for certificates, which are not new if they came
  // before the page did; `onGap(dropped)` where some may be missing.
  // `always` goes with every connection.
  constructor({ always, onState, onMessage, onGap }) {
    Object.assign(this, { always, onState, onMessage, onGap });
    document.addEventListener("visibilitychange", () => this.#sleepOrWake());
  }

  // Begins anew: with this stream and filter, a little before the newest message.
  begin(path, filter, head) {
    this.#path = path;
    this.#filter = filter;
    this.#head = head;
    this.#last = null;
    this.#delay = FIRST_DELAY;
    this.#open();
  }

  stop(text) {
    this.#close();
    this.onState("down", text);
  }

  #since() {
    if (this.#last !== null) return { since: this.#last };
    if (this.#head === null) return {};
    const back = Object.keys(this.#filter).length ? BACK_FILTERED : BACK;
    return { since: Math.max(this.#head - back, 0) };
  }

  #open() {
    this.#close();
    const url = address(this.#path, { ...this.#filter, compat: "calidog", ...this.#since(), ...this.always });
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.onState("connecting", "connecting");
    const socket = new WebSocket(url);
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      this.#delay = FIRST_DELAY;
      this.onState("live", "live");
    };
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = () => {
      const text = wasOpen ? "connection lost, retrying" : "access refused (token or limit), retrying";
      this.onState("down", text);
      this.#timer = setTimeout(() => this.#open(), this.#delay);
      this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
    };
    this.#socket = socket;
  }

  #close() {
    clearTimeout(this.#timer);
    if (this.#socket === null) return;
    const socket = this.#socket;
    this.#socket = null;
    socket.onmessage = socket.onclose = null;
    // A browser reports an error when a socket is closed that is still connecting.
    socket.onopen = () => socket.close();
    if (socket.readyState !== WebSocket.CONNECTING) socket.close();
  }

  #take(text) {
    const tail = TAIL.exec(text.slice(-120));
    if (tail !== null) {
      // Not every server before this page gives offsets.
      if (tail[1] !== undefined) this.#last = Number(tail[1]);
      this.onMessage(text, this.#head === null || this.#last === null || this.#last > this.#head);
      return;
    }
    const message = JSON.parse(text);
    // All up to there was searched: a filter that seldom matches stays near the head.
    if (message.message_type === "heartbeat" && message.offset !== undefined) this.#last = message.offset;
    // Before the first message a gap only says that the ring is younger than what was asked for.
    if (message.message_type === "gap" && this.#last !== null) this.onGap(message.dropped);
  }

  #sleepOrWake() {
    clearTimeout(this.#sleep);
    const unfiltered = Object.keys(this.#filter).length === 0;
    if (document.hidden && unfiltered && this.#path !== null) {
      this.#sleep = setTimeout(() => {
        this.#close();
        this.#last = this.#head = null;
        this.onState("connecting", "asleep");
      }, ASLEEP_AFTER);
    } else if (!document.hidden && this.#path !== null && this.#socket === null) {
      this.#open();
    }
  }
}

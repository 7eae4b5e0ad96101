// The table of certificates. However many come, a bounded number is drawn, one after the other.

import { byId, clock, number, set } from "../text.js";
import { age, row } from "./row.js";

// Rows that are kept.
const ROWS = 25;
// Certificates that wait to be drawn: of a sample few, so that it is fresh.
const MOST_WAITING = { sample: 10, matches: 100 };
// A timer that is late by up to this time (ms) is made up for.
const LATE = 200;
// Rows follow each other at this distance (ms): a sample slowly enough to look at, matches faster.
const SAMPLE_STEP = 160;
const MATCH_STEP = 50;
// Waiting certificates are spread over about this time (ms).
const SPREAD = 1000;
const TICK = 50;
// A row is marked as new for this time (ms).
const NEW_FOR = 1200;
// After certificates were left out, the page says so for this time (ms).
const SAMPLE_FOR = 5000;

const body = byId("rows");
const canHover = matchMedia("(hover: hover) and (pointer: fine)");

export class Certificates {
  #waiting = [];
  #filter = null;
  #now = () => Date.now() / 1000;
  #sampled = -Infinity;
  #arrived = 0;
  #next = 0;
  #began = new Date();
  #checked = null;
  #obstacle = null;
  #shown = new WeakMap();
  isPaused = false;

  // `open(data, offset)` is called with the certificate that the user chose; `isOpen()` while it is
  // shown; `onPause(isPaused)`.
  constructor({ open, isOpen, onPause }) {
    Object.assign(this, { isOpen, onPause });
    body.addEventListener("click", ({ target }) => {
      const chosen = this.#shown.get(target.closest("tr"));
      if (chosen !== undefined) open(chosen.data, chosen.offset, this.#filter);
    });
    body.addEventListener("keydown", (event) => this.#move(event));
    byId("pause").addEventListener("click", () => this.#toggle());
    setInterval(() => this.#draw(), TICK);
    setInterval(() => this.#tell(), 1000);
  }

  // The server's time in seconds.
  set clock(now) {
    this.#now = now;
  }

  // The number of certificates that the server has checked since the filter is this.
  set checked(count) {
    this.#checked = count;
  }

  // The reason why no certificate can come; null if one can.
  set obstacle(text) {
    this.#obstacle = text;
    this.#tell();
  }

  begin(filter) {
    this.#filter = filter;
    body.replaceChildren();
    this.#waiting = [];
    this.#arrived = 0;
    this.#sampled = -Infinity;
    this.#began = new Date();
    this.#checked = null;
    byId("nothing").hidden = false;
    this.#tell();
  }

  take(data, offset, isNew) {
    if (isNew) this.#arrived += 1;
    this.#waiting.push({ data, offset, isNew });
    // Without backlog: that is shown at once, the newest of it.
    const most = this.#isSample && isNew ? MOST_WAITING.sample : MOST_WAITING.matches;
    if (this.#waiting.length > most) {
      if (this.#waiting.shift().isNew) this.#sampled = performance.now();
    }
  }

  #toggle() {
    this.isPaused = !this.isPaused;
    const button = byId("pause");
    button.textContent = this.isPaused ? "Resume" : "Pause";
    button.toggleAttribute("data-paused", this.isPaused);
    this.#arrived = 0;
    this.#tell();
    this.onPause(this.isPaused);
  }

  // The reason why rows keep still: the user points at them, moves among them, or reads one.
  #held() {
    if (this.isPaused) return "Paused";
    if (this.isOpen()) return "Paused while a certificate is open";
    if (body.contains(document.activeElement)) return "Paused while a row is selected";
    return canHover.matches && body.matches(":hover") ? "Paused while you point at the list" : null;
  }

  #draw() {
    if (document.hidden || this.#waiting.length === 0 || this.#held() !== null) return;
    const now = performance.now();
    // Certificates from before the page was opened are shown at once.
    const old = this.#waiting.filter(({ isNew }) => !isNew);
    if (old.length > 0) {
      this.#waiting = this.#waiting.filter(({ isNew }) => isNew);
      for (const one of old.slice(-ROWS)) this.#show(one, false);
    }
    const step = this.#isSample ? SAMPLE_STEP : MATCH_STEP;
    this.#next = Math.max(this.#next, now - LATE);
    while (this.#waiting.length > 0 && now >= this.#next) {
      this.#next += Math.max(SPREAD / this.#waiting.length, step);
      this.#show(this.#waiting.shift(), true);
    }
  }

  get #isSample() {
    return this.#filter.isEmpty && body.rows.length === ROWS;
  }

  #show({ data, offset }, isNew) {
    const made = row(data, this.#filter);
    if (isNew) {
      made.className = "new";
      setTimeout(() => made.removeAttribute("class"), NEW_FOR);
    }
    this.#shown.set(made, { data, offset });
    age(made, data, this.#now());
    body.prepend(made);
    while (body.rows.length > ROWS) body.deleteRow(-1);
    byId("nothing").hidden = true;
    this.#stopAt(body.rows[0]);
  }

  #tell() {
    const now = this.#now();
    for (const made of body.rows) age(made, this.#shown.get(made).data, now);
    set(byId("sample"), this.#about());
    if (this.#obstacle !== null) return set(byId("nothing"), this.#obstacle);
    const since = `Waiting for the first match since ${clock(this.#began)}`;
    const checked = this.#checked === null ? "" : ` · ${number(this.#checked)} certificates checked`;
    const nothing = this.#filter?.isEmpty === false ? since + checked : "Waiting for the first certificate…";
    return set(byId("nothing"), nothing);
  }

  #about() {
    const why = this.#held();
    if (why !== null) return `${why}: ${number(this.#arrived)} new.`;
    this.#arrived = 0;
    if (performance.now() - this.#sampled >= SAMPLE_FOR) return "Select a certificate for details.";
    return `Showing a sample. ${this.#filter.isEmpty ? "Add a filter" : "Narrow the filter"} to see every match.`;
  }

  // One row is a stop of the Tab key; the arrow keys go to the others.
  #stopAt(made) {
    for (const other of body.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    const button = made?.querySelector("button");
    if (button) button.tabIndex = 0;
    return button;
  }

  #move(event) {
    const from = event.target.closest("tr");
    const steps = {
      ArrowDown: from?.nextElementSibling, ArrowUp: from?.previousElementSibling,
      Home: body.rows[0], End: body.rows[body.rows.length - 1],
    };
    const next = steps[event.key];
    if (!next) return;
    event.preventDefault();
    this.#stopAt(next).focus();
  }
}

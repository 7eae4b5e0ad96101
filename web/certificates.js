// The table of certificates. However many come, a bounded number is drawn, and waits to be drawn.

import { byId, element, number, set } from "./text.js";

// Rows that are kept.
const ROWS = 40;
// Rows that are drawn a second at most; more nobody can read.
const ROWS_A_SECOND = 20;
const DRAW_EVERY = 250;

const ALL = "Showing every certificate. Select one for details.";
const SAMPLE = "Showing a sample. Add a filter to see every match.";
// Once some were left out it is said for so long.
const SAMPLE_FOR = 5000;

const body = byId("rows");
const canHover = matchMedia("(hover: hover) and (pointer: fine)");

export class Certificates {
  #waiting = [];
  #missed = 0;
  #sampled = -Infinity;
  #arrived = 0;
  #budget = ROWS;
  #drawn = performance.now();
  #paused = false;
  #shown = new WeakMap();

  // `open(data)` is called with the certificate that the user chose; `isOpen()` while it is shown.
  constructor({ open, isOpen }) {
    this.isOpen = isOpen;
    body.addEventListener("click", ({ target }) => {
      const row = target.closest("tr");
      if (row !== null && this.#shown.has(row)) open(this.#shown.get(row));
    });
    body.addEventListener("keydown", (event) => this.#move(event));
    byId("pause").addEventListener("click", () => this.#toggle());
    setInterval(() => this.#draw(), DRAW_EVERY);
  }

  take(text) {
    this.#arrived += 1;
    this.#waiting.push(text);
    if (this.#waiting.length > ROWS) this.#drop(1);
  }

  clear() {
    body.replaceChildren();
    this.#waiting = [];
    this.#missed = this.#arrived = 0;
    this.#budget = ROWS;
    byId("nothing").hidden = false;
  }

  #drop(count) {
    this.#waiting.splice(0, count);
    this.#missed += count;
  }

  #toggle() {
    this.#paused = !this.#paused;
    const button = byId("pause");
    button.textContent = this.#paused ? "Resume" : "Pause";
    button.toggleAttribute("data-paused", this.#paused);
    this.#arrived = this.#missed = 0;
    this.#draw();
  }

  // Rows keep still while somebody points at them, moves among them, or reads one.
  #isHeld() {
    const pointed = canHover.matches && body.matches(":hover");
    return pointed || body.contains(document.activeElement) || this.isOpen();
  }

  #draw() {
    const now = performance.now();
    this.#budget = Math.min(ROWS, this.#budget + ((now - this.#drawn) * ROWS_A_SECOND) / 1000);
    this.#drawn = now;
    if (this.#paused || this.#isHeld()) {
      const why = this.#paused ? "Paused" : "Paused while you point at the list";
      set(byId("sample"), `${why}: ${number(this.#arrived)} new.`);
      return;
    }
    const most = Math.floor(this.#budget);
    if (this.#waiting.length > most) this.#drop(this.#waiting.length - most);
    this.#tell(now);
    if (this.#waiting.length === 0) return;
    const rows = this.#waiting.reverse().map((text) => this.#row(JSON.parse(text)));
    this.#budget -= rows.length;
    this.#waiting = [];
    for (const old of body.querySelectorAll(".new")) old.classList.remove("new");
    body.prepend(...rows);
    while (body.rows.length > ROWS) body.deleteRow(-1);
    byId("nothing").hidden = true;
    this.#stopAt(body.rows[0]);
  }

  #tell(now) {
    if (this.#missed > 0) this.#sampled = now;
    set(byId("sample"), now - this.#sampled < SAMPLE_FOR ? SAMPLE : ALL);
    this.#missed = this.#arrived = 0;
  }

  #row(message) {
    const isNames = message.message_type === "dns_entries";
    const data = isNames ? { leaf_cert: { all_domains: message.data } } : message.data;
    const { all_domains: names = [], subject, issuer } = data.leaf_cert;
    const row = element("tr", "new");
    row.setAttribute("role", "row");
    const name = element("button", "name", element("b", "", names[0] ?? subject?.CN ?? "(no name)"));
    name.type = "button";
    name.tabIndex = -1;
    name.title = names.slice(0, 12).join("\n");
    if (names.length > 1) name.append(element("small", "", `+${number(names.length - 1)}`));
    const cells = [
      data.seen === undefined ? "" : new Date(data.seen * 1000).toLocaleTimeString("en-GB"),
      name,
      issuer?.CN ?? issuer?.O ?? issuer?.aggregated ?? "",
      data.source?.name ?? "",
      data.update_type === undefined ? "" : element("span", "tag", kind(data)),
    ];
    for (const content of cells) {
      const cell = row.insertCell();
      cell.setAttribute("role", "cell");
      cell.append(content);
    }
    this.#shown.set(row, data);
    return row;
  }

  // One row is a stop of the Tab key; the arrow keys go to the others.
  #stopAt(row) {
    for (const other of body.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    const button = row?.querySelector("button");
    if (button) button.tabIndex = 0;
    return button;
  }

  #move(event) {
    const row = event.target.closest("tr");
    const steps = {
      ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling,
      Home: body.rows[0], End: body.rows[body.rows.length - 1],
    };
    const next = steps[event.key];
    if (!next) return;
    event.preventDefault();
    this.#stopAt(next).focus();
  }
}

export const kind = (data) => (data.update_type === "PrecertLogEntry" ? "precert" : "final");

// The history on the page, in Chromium: a search, a certificate with its entries, the keyboard, refusals, hostile
// names, and looks. With a server that has a journal, and one that has none.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

import { withBrowser } from "./browser.mjs";
import { ADDRESS as PLAIN, require } from "./common.mjs";

const ADDRESS = process.env.HISTORY_ADDRESS;
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

const HOSTILE = "<img src=x onerror='window.hacked=1'>\u202emoc.elpmaxe\u0007";
const SHOWN = "<img src=x onerror='window.hacked=1'>\\u{202e}moc.elpmaxe\\u{7}";
// The rows of a search that fill several screens of a phone.
const ROWS = 50;

const names = (page) => page.$$eval("#history-rows .name b", (found) => found.map((one) => one.textContent));
const isDone = () => / found/.test(document.querySelector("#history-state").textContent)
  && !document.querySelector("#history-state").textContent.startsWith("Searching");

async function search(page, by, text) {
  await page.selectOption("#history-by", by);
  await page.fill("#history-text", text);
  await page.press("#history-text", "Enter");
  await page.waitForFunction(isDone);
}

// A domain of a certificate that the journal has.
async function someDomain() {
  for (;;) {
    const { results } = await (await fetch(`http://${ADDRESS}/api/search?limit=100`)).json();
    const all = (results ?? []).flatMap((result) => result.all_domains);
    const found = all.find((name) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(name));
    if (results?.length === 100 && found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
}

async function checkSearch(page, domain) {
  await page.waitForSelector("#history:not([hidden])");
  await search(page, "domain", domain);
  const found = await names(page);
  assert(found.length > 0 && found.every((name) => name.length > 0), `${found}`);
  const api = await page.getAttribute("#history-api", "href");
  const page1 = await (await fetch(`${api}&limit=1000`)).json();
  assert(page1.results.length >= found.length, "the API finds the same");
  await page.fill("#history-text", "%%%");
  await page.selectOption("#history-by", "match");
  await page.press("#history-text", "Enter");
  await page.waitForSelector("#history-problem:has-text('no name has')");
  assert.equal(await page.getAttribute("#history-text", "aria-invalid"), "true");
}

// More than one request, each of which goes on where the one before ended.
async function checkMore(page) {
  await search(page, "match", ".co");
  const before = await names(page);
  assert.equal(before.length, ROWS);
  await page.setViewportSize(PHONE);
  assert(await page.isVisible(`#history-rows tr >> nth=${ROWS - 1}`), "a phone shows every result");
  await page.setViewportSize(WIDE);
  await page.focus("#history-more");
  await page.keyboard.press("Enter");
  await page.waitForFunction((count) => document.querySelectorAll("#history-rows tr").length > count, before.length);
  await page.waitForFunction(isDone);
  assert.deepEqual((await names(page)).slice(0, before.length), before);
  const focused = await page.evaluate(() => document.activeElement.closest("tr")?.sectionRowIndex);
  assert.equal(focused, ROWS, "the first new result has the focus");
}

// "More" after an answer that was cut shows each result once.
async function checkCut(page) {
  await search(page, "match", ".co");
  let results = 0;
  await page.route("**/api/search?*", async (route) => {
    const answer = await route.fetch();
    const lines = (await answer.text()).trimEnd().split("\n");
    results = lines.length - 1;
    const body = lines.slice(0, Math.ceil(results / 2) + 1).map((line) => `${line}\n`).join("");
    await route.fulfill({ response: answer, body });
  });
  await page.click("#history-more");
  await page.waitForSelector("#history-problem:has-text('ended early')");
  await page.unroute("**/api/search?*");
  const before = await names(page);
  assert(before.length > ROWS && before.length < ROWS + results, `${before.length} rows of a cut answer`);
  await page.click("#history-more");
  await page.waitForSelector("#history-state:has-text('certificates found')");
  const after = await names(page);
  assert.equal(after.length, ROWS + results);
  assert.deepEqual(after.slice(0, before.length), before);
  assert((await page.textContent("#history-state")).startsWith(`${after.length} certificates found`));
}

// Searches while the server, or a proxy before it, answers like this; returns the words that the page shows.
async function refused(page, answer) {
  await page.route("**/api/search?*", (route) => route.fulfill(answer));
  await page.fill("#history-text", "example");
  await page.press("#history-text", "Enter");
  await page.waitForSelector("#history-problem:not(:empty)");
  await page.unroute("**/api/search?*");
  return page.textContent("#history-problem");
}

async function checkRefusals(page) {
  const text = { "Content-Type": "text/plain; charset=utf-8" };
  const busy = { status: 503, headers: { ...text, "Retry-After": "2" }, body: "too many searches are under way\n" };
  assert.match(await refused(page, busy), /^The server is busy. Try again in 2 s. .*too many searches are under way$/);
  const proxy = { status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" };
  assert.equal(await refused(page, proxy), "The server answers with status 502.");
  const cut = { status: 200, contentType: "application/x-ndjson", body: `${JSON.stringify(hostile(1))}\n` };
  assert.match(await refused(page, cut), /^The search ended early/);
  // All places are taken: nothing was searched.
  const end = { cursor: "AAAA", searched: { since: 9, until: 9, since_time: null, until_time: null }, complete: false };
  const none = { status: 200, contentType: "application/x-ndjson", body: `${JSON.stringify(end)}\n` };
  assert.match(await refused(page, none), /^The server is busy/);
  assert.equal(await page.textContent("#history-state"), "");
  assert(await page.isVisible("#history-more"), "it can be tried again");
}

const hostile = (offset) => ({
  sha256: "AA:BB", serial_number: HOSTILE, subject: { CN: HOSTILE, aggregated: HOSTILE },
  issuer: { O: HOSTILE, aggregated: HOSTILE }, not_before: 0, not_after: 253402300799, is_ca: false,
  all_domains: [HOSTILE], signature_algorithm: HOSTILE, seen: 1e9, source: HOSTILE, cert_index: 1,
  cert_link: "javascript:window.hacked=1", update_type: "X509LogEntry", source_url: HOSTILE, offset,
});

// Names are text: no markup, and nothing that changes the direction of what is beside it.
async function checkHostile(page) {
  const end = { cursor: null, searched: { since: 0, until: 9, since_time: null, until_time: null }, complete: true };
  const body = [hostile(1), hostile(2), end].map((line) => `${JSON.stringify(line)}\n`).join("");
  await page.route("**/api/search?*", (route) => route.fulfill({ contentType: "application/x-ndjson", body }));
  await search(page, "issuer", "example");
  await page.unroute("**/api/search?*");
  assert.deepEqual(await names(page), [SHOWN, SHOWN]);
  await page.click("#history-rows tr >> nth=1");
  await page.waitForSelector("#detail[open]");
  assert.equal(await page.textContent("#detail-title"), SHOWN);
  assert.equal(await page.locator("#detail [href^=javascript], #detail img").count(), 0);
  assert.doesNotMatch(await page.textContent("#detail"), /[\u202e\u0007]/);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  await page.keyboard.press("Escape");
}

// A server without a journal has nothing to search.
async function checkNone(page) {
  await page.goto(`http://${PLAIN}/`);
  await page.waitForSelector("html[data-ready]");
  assert(await page.isHidden("#history"));
  assert(await page.isHidden("#history-nav"));
}

async function checkCertificate(page, domain) {
  await search(page, "domain", domain);
  await page.click("#history-rows .name >> nth=0");
  await page.waitForSelector("#detail[open]");
  await page.waitForSelector("#detail-sightings dt");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#detail-pem")]);
  const certificate = new X509Certificate(readFileSync(await download.path(), "utf8"));
  const facts = await page.textContent("#detail-facts");
  assert(facts.includes(certificate.fingerprint256), "the PEM is of this certificate");
  await page.keyboard.press("Escape");
}

// The keyboard alone finds, opens and closes.
async function checkKeyboard(page, domain) {
  await page.focus("#history-by");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Control+A");
  await page.keyboard.type(domain);
  await page.keyboard.press("Enter");
  await page.waitForFunction(isDone);
  for (let presses = 0; presses < 6; presses += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.matches("#history-rows .name"))) break;
  }
  await page.keyboard.press("Enter");
  await page.waitForSelector("#detail[open]");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#detail:not([open])", { state: "attached" });
  assert(await page.evaluate(() => document.activeElement.matches("#history-rows .name")), "the focus is back");
}

async function checkLooks(page, domain) {
  await page.click("#pause");
  await search(page, "domain", domain);
  await page.evaluate(AXE);
  const problems = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize(viewport);
      const where = `${width}-${colorScheme}`;
      await page.screenshot({ path: `history-${where}.png`, fullPage: true });
      const found = await page.evaluate(() => globalThis.axe.run());
      problems.push(...found.violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map((node) => node.html).join("\n")}`));
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) problems.push(`${where}: ${overflow} pixels too wide`);
    }
  }
  assert.deepEqual(problems, []);
}

await withBrowser(async (context) => {
  const problems = [];
  const domain = await someDomain();
  const page = await context.newPage();
  await page.setViewportSize(WIDE);
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "blob:" && ![ADDRESS, PLAIN].includes(url.host)) problems.push(`request: ${url}`);
  });
  await page.goto(`http://${ADDRESS}/`);
  const checks = [
    checkSearch, checkMore, checkCut, checkCertificate, checkKeyboard, checkRefusals, checkHostile, checkLooks, checkNone,
  ];
  for (const check of checks) {
    try {
      await check(page, domain);
    } catch (error) {
      await page.screenshot({ path: "history-failed.png" });
      throw new Error(`${check.name}: ${error.message} (history-failed.png)`, { cause: error });
    }
  }
  assert.deepEqual(problems, []);
});

// The alerts on the page, in Chromium, with a server that has some: text, whatever they contain, looks, and
// nothing where the server refuses.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { withBrowser } from "./browser.mjs";
import { ADDRESS, require } from "./common.mjs";

const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

const HOME = `http://${ADDRESS}/`;
const HOSTILE = '<img src=x onerror="window.hacked=1">\u202emoc.elpmaxe';
const SHOWN = '<img src=x onerror="window.hacked=1">\\u{202e}moc.elpmaxe';

function alert(at, rule, changes = {}) {
  return {
    id: `${at}`.padStart(64, "0"), rule, entry: "precert", suppressed: 0, version: 1,
    reasons: [{ condition: "lookalike", text: `${HOSTILE} is like example.com`, name: HOSTILE, of: "example.com" }],
    certificate: {
      names: [HOSTILE, "b.example"], name_count: 3, sha256: "ab".repeat(32), issuer_cn: "R1", issuer_o: "", serial_number: "01",
      not_before: "2026-11-30T00:00:00Z", not_after: "2027-02-28T00:00:00Z",
    },
    sightings: [{ log: "a log", url: "https://ct.example", index: at, seen: "2026-11-30T12:00:00Z" }],
    link: `http://${ADDRESS}/#certificate=${at}`, receivers: { ops: "arrived" }, ...changes,
  };
}

const ALERTS = [
  alert(3, "our brand", { receivers: { ops: "arrived", mail: "waiting" }, link: "javascript:window.hacked=1" }),
  alert(2, HOSTILE, { receivers: { ops: "dead_letter" } }),
  alert(1, "our brand"),
];

// A server with rules for alerts, which answers requests for them with `answer(url)`: a status or alerts.
async function withAlerts(page, answer) {
  await page.route("**/page/logs.json", async (route) => {
    const json = await (await route.fetch()).json();
    await route.fulfill({ json: { ...json, serves: { ...json.serves, alerts: true } } });
  });
  await page.route(/\/api\/alerts\?/, (route) => {
    const given = answer(new URL(route.request().url()), route.request());
    if (typeof given === "number") return route.fulfill({ status: given, body: "no" });
    const of = (name) => ALERTS.filter(({ rule }) => rule === name).length;
    const rules = ["our brand", HOSTILE, "quiet"].map((name) => ({ name, alerts: of(name), suppressed: 0 }));
    const failed = { time: "2026-11-30T12:00:00.123Z", reason: HOSTILE, attempts: 3, next_attempt: "2026-11-30T12:00:04.123Z" };
    const receivers = [
      { name: "ops", waiting: 0, arrived: 2, failed: 1, dead_letters: 1 },
      { name: "mail", waiting: 1, arrived: 0, failed: 3, dead_letters: 0, last_failure: failed },
    ];
    return route.fulfill({ json: { is_running: true, alerts: given, rules, receivers } });
  });
}

const someAlerts = (url) => {
  const rule = url.searchParams.get("rule");
  return ALERTS.filter((one) => rule === null || one.rule === rule);
};

async function checkAlerts(page) {
  await withAlerts(page, someAlerts);
  await page.goto(HOME);
  await page.waitForSelector("#alerts:not([hidden])");
  assert(await page.isVisible("#alerts-nav"));
  const cells = await page.$$eval("#alert-rows tr", (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  const reason = `${SHOWN} is like example.com`;
  assert.deepEqual(cells.map((row) => row.slice(0, 4).map((text) => text.trim())), [
    [`${SHOWN} +2`, reason, "our brand", "1 arrived 1 waiting"],
    [`${SHOWN} +2`, reason, SHOWN, "not delivered"],
    [`${SHOWN} +2`, reason, "our brand", "arrived"],
  ]);
  assert.match(cells[0][4], /^30 Nov/);
  assert.equal(await page.textContent("#alerts-summary"), "1 not delivered");
  assert.deepEqual(await page.$$eval("#alert-rows a", (links) => links.map(({ hash }) => hash)), ["#certificate=2", "#certificate=1"]);
  const failures = await page.$$eval("#alerts-failing li", (lines) => lines.map((line) => line.textContent));
  assert.equal(failures.length, 1);
  assert.match(failures[0], /^mail: attempt 3 failed at 30 Nov 2026, ..:00:00, the next one is at ..:00:04; 1 alert waits: /);
  assert(failures[0].endsWith(SHOWN), failures[0]);
  const made = await page.evaluate(() => [document.querySelectorAll("#alerts img").length, window.hacked]);
  assert.deepEqual(made, [0, undefined], "text of alerts stays text");
  assert.deepEqual(await page.$$eval("#alerts-rule option", (found) => found.map((one) => one.textContent)), ["All", "our brand", SHOWN]);
  await page.selectOption("#alerts-rule", HOSTILE);
  await page.waitForFunction(() => document.querySelectorAll("#alert-rows tr").length === 1);
  assert.equal(await page.inputValue("#alerts-rule"), HOSTILE);
  await checkLooks(page);
}

// In both colours and at both widths: what axe finds, and what does not fit.
async function checkLooks(page) {
  await page.selectOption("#alerts-rule", "");
  await page.waitForFunction((count) => document.querySelectorAll("#alert-rows tr").length === count, ALERTS.length);
  await page.evaluate(AXE);
  const problems = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize(viewport);
      const where = `${width}-${colorScheme}`;
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      await page.screenshot({ path: `alerts-${where}.png`, fullPage: true });
      const found = await page.evaluate(() => globalThis.axe.run());
      problems.push(...found.violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map((node) => node.html).join("\n")}`));
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) problems.push(`${where}: ${overflow} pixels too wide`);
    }
  }
  assert.deepEqual(problems, []);
}

// Who may not read them sees nothing of them, and the page does not ask again.
async function checkRefused(page) {
  const asked = [];
  await withAlerts(page, (url) => asked.push(url) && 403);
  await page.goto(HOME);
  await page.waitForSelector("#state[data-is=live]");
  while (asked.length === 0) await page.waitForTimeout(50);
  await page.waitForResponse(/logs\.json/);
  await page.waitForResponse(/logs\.json/);
  assert(await page.isHidden("#alerts") && (await page.isHidden("#alerts-nav")));
  assert.equal(asked.length, 1);
}

await withBrowser(async (context) => {
  const problems = [];
  for (const check of [checkAlerts, checkRefused]) {
    const page = await context.newPage();
    await page.setViewportSize(WIDE);
    page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
    try {
      await check(page);
    } catch (error) {
      await page.screenshot({ path: "alerts-failed.png" });
      throw new Error(`${check.name}: ${error.message} (alerts-failed.png)`, { cause: error });
    }
    await page.close();
  }
  assert.deepEqual(problems, []);
});

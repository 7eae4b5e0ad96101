// The page at / in Chromium: what people see and do with it. Screenshots are left where it is run.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { withBrowser } from "./browser.mjs";
import { ADDRESS, require } from "./common.mjs";
import { checkDetail, checkNotifications } from "./page/detail.mjs";
import { checkFilter, checkSeveral } from "./page/filter.mjs";
import { checkKeyboard } from "./page/keyboard.mjs";
import { checkPrograms } from "./page/programs.mjs";
import { checkLoad, checkResume } from "./page/simulated.mjs";
import { checkNoLogs, checkQuiet, checkStop, checkToken } from "./page/states.mjs";

const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

// Rows that are kept.
const ROWS = 25;

// The names in the rows, newest first.
const names = (page) => page.$$eval("#rows .name b", (found) => found.map((one) => one.textContent));
const counted = async (page) => Number((await page.textContent("#count")).replaceAll(",", ""));

async function checkStream(page) {
  await page.waitForSelector("html[data-ready]");
  await page.waitForSelector("#state[data-is=live]");
  await page.waitForFunction((rows) => document.querySelectorAll("#rows tr").length === rows, ROWS);
  await page.waitForFunction(() => Number(document.querySelector("#server-rate").textContent) > 0);
  assert(await page.isHidden("#demo"), "these are not the demo's logs");
  const before = await counted(page);
  await page.waitForFunction((count) => {
    return Number(document.querySelector("#count").textContent.replaceAll(",", "")) > count;
  }, before);
}

async function checkPause(page) {
  await page.click("#pause");
  assert.equal(await page.textContent("#pause"), "Resume");
  await page.waitForSelector("#state:text-is('paused')");
  const [shown, count] = [await names(page), await counted(page)];
  await page.waitForFunction((least) => {
    return Number(document.querySelector("#count").textContent.replaceAll(",", "")) > least;
  }, count + 20);
  assert.deepEqual(await names(page), shown, "nothing moves while it is paused");
  await page.waitForFunction(() => /^Paused: [1-9]\d* new\.$/.test(document.querySelector("#sample").textContent));
  await page.click("#pause");
  await page.waitForSelector("#state[data-is=live]");
  await page.waitForFunction((first) => {
    return document.querySelector("#rows .name b").textContent !== first;
  }, shown[0]);
}

// The lists of the last five minutes add up, and filter.
async function checkTop(page) {
  await page.waitForFunction(() => document.querySelectorAll("ol.top button").length >= 7);
  const shares = await page.$$eval("#top-log + ol small", (found) => found.map((one) => parseInt(one.textContent, 10)));
  assert.equal(shares.length, 4);
  const sum = shares.reduce((all, one) => all + one, 0);
  assert(sum >= 98 && sum <= 102, `shares of four logs: ${shares}`);
  // In one step: the order changes with the stream.
  const log = await page.$eval("#top-log + ol button", (button) => {
    const name = button.querySelector("span").textContent;
    button.click();
    return name;
  });
  await page.waitForFunction(() => location.search.startsWith("?log="));
  assert.match(await page.textContent("#filter-chips"), new RegExp(`log contains ${log}`));
  await page.click("#filter-chips button");
  await page.waitForFunction(() => location.search === "");
}

async function checkLogs(page) {
  await page.waitForFunction(() => {
    const cells = [...document.querySelectorAll("#log-rows td:nth-child(5) span")];
    return cells.length === 4 && cells.every((cell) => /^(up to date|[\d,]+ to go)$/.test(cell.textContent));
  });
  const { logs } = await page.evaluate(() => fetch("page/logs.json").then((answer) => answer.json()));
  const rows = await page.$$eval("#log-rows tr", (found) => {
    return found.map((row) => [...row.cells].map((cell) => cell.querySelector("span").textContent));
  });
  for (const [name, health, lag, size] of rows) {
    const log = logs.find((one) => one.name === name);
    assert(log, name);
    assert.equal(health, "healthy");
    assert.match(lag, /^\d+ s$/);
    assert(Number(size.replaceAll(",", "")) <= log.tree_size);
  }
  await page.click(".logs th[data-by=name] button");
  await page.click(".logs th[data-by=name] button");
  assert.equal(await page.getAttribute(".logs th[data-by=name]", "aria-sort"), "descending");
  const sorted = await page.$$eval("#log-rows td:first-child span", (found) => found.map((one) => one.textContent));
  assert.deepEqual(sorted, [...sorted].sort().reverse());
}

// The violations that axe finds.
async function violations(page, where) {
  const found = await page.evaluate(() => globalThis.axe.run());
  return found.violations.map(({ id, impact, nodes }) => {
    return `${where}: ${impact} ${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n")}`;
  });
}

// In both colours and at both widths: what axe finds, and what does not fit.
async function checkLooks(page) {
  await page.waitForFunction((rows) => document.querySelectorAll("#rows tr").length === rows, ROWS);
  await page.waitForFunction(() => document.querySelectorAll("#log-rows tr").length === 4);
  await page.fill("#filter-text", "example, shop");
  await page.press("#filter-text", "Enter");
  await page.waitForSelector("#filter-chips li >> nth=1");
  await page.click("#use");
  await page.evaluate(AXE);
  const problems = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize(viewport);
      const where = `${width}-${colorScheme}`;
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      await page.screenshot({ path: `page-${where}.png`, fullPage: true });
      problems.push(...(await violations(page, where)));
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) problems.push(`${where}: ${overflow} pixels too wide`);
      if ((width === "phone") !== (colorScheme === "dark")) continue;
      await page.waitForSelector("#rows .name");
      await page.click("#rows .name >> nth=0");
      await page.screenshot({ path: `page-${where}-detail.png` });
      problems.push(...(await violations(page, `${where}, one certificate`)));
      await page.click("#detail-close");
    }
  }
  assert.deepEqual(problems, []);
}

// Everything a page must not do, whatever is done with it.
function watch(page, problems) {
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const isMeant = /page\/filter.*400|status of 40[01]|ERR_FAILED/.test(`${message.location().url} ${message.text()}`);
    if (["error", "warning"].includes(message.type()) && !isMeant) problems.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.host !== ADDRESS) problems.push(`request: ${url}`);
    if (/^\/(api|latest|example)/.test(url.pathname)) problems.push(`request of the API: ${url}`);
  });
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== ADDRESS) problems.push(`socket: ${socket.url()}`);
  });
}

const CHECKS = [
  [checkStream, checkPause, checkTop],
  [checkFilter, checkSeveral],
  [checkLogs, checkPrograms],
  [checkDetail, checkNotifications],
  [checkLooks],
  [checkKeyboard],
  [checkLoad],
  [checkResume],
  [checkNoLogs],
  [checkQuiet],
  [checkToken],
  [checkStop],
];

await withBrowser(async (context) => {
  const problems = [];
  for (const checks of CHECKS) {
    const page = await context.newPage();
    await page.setViewportSize(WIDE);
    watch(page, problems);
    for (const [at, check] of checks.entries()) {
      const start = Date.now();
      // Those that simulate the server set that up before they go there.
      if (at === 0 && !check.goesThere) await page.goto(`http://${ADDRESS}/`);
      try {
        await check(page);
      } catch (error) {
        await page.screenshot({ path: "page-failed.png" });
        throw new Error(`${check.name}: ${error.message} (page-failed.png)`, { cause: error });
      }
      console.log(`${check.name} ${Date.now() - start} ms`);
    }
    await page.close();
  }
  assert.deepEqual(problems, []);
});

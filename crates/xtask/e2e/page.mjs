// The page at / in Chromium: what people see and do with it. Screenshots are left where it is run.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { withBrowser } from "./browser.mjs";
import { ADDRESS, require } from "./common.mjs";
import { checkKeyboard } from "./page/keyboard.mjs";
import { checkLoad, checkResume } from "./page/simulated.mjs";

const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

// The names in the rows, newest first.
const names = (page) => page.$$eval("#rows .name b", (found) => found.map((one) => one.textContent));
const counted = async (page) => Number((await page.textContent("#count")).replaceAll(",", ""));

async function checkStream(page) {
  await page.waitForSelector("#state[data-is=live]");
  await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 40);
  await page.waitForFunction(() => Number(document.querySelector("#rate").textContent) > 0);
  const before = await counted(page);
  await page.waitForFunction((count) => {
    return Number(document.querySelector("#count").textContent.replaceAll(",", "")) > count;
  }, before);
}

async function checkPause(page) {
  await page.click("#pause");
  assert.equal(await page.textContent("#pause"), "Resume");
  const [shown, count] = [await names(page), await counted(page)];
  await page.waitForFunction((least) => {
    return Number(document.querySelector("#count").textContent.replaceAll(",", "")) > least;
  }, count + 20);
  assert.deepEqual(await names(page), shown, "nothing moves while it is paused");
  assert.match(await page.textContent("#sample"), /^Paused: \d+ new\.$/);
  await page.click("#pause");
  await page.waitForFunction((first) => {
    return document.querySelector("#rows .name b").textContent !== first;
  }, shown[0]);
}

// A term that some certificate of late has: part of a name that is shown.
async function checkFilter(page) {
  const term = (await names(page))[0].replace("*.", "").split(".").find((label) => label.length > 3);
  await page.fill("#filter-text", ` ${term} ,`);
  await page.waitForFunction((text) => location.search === `?match=${text}`, term);
  await page.waitForSelector("#rows tr");
  for (const title of await page.$$eval("#rows .name", (found) => found.map((one) => one.title))) {
    assert(title.includes(term), `${title} has no ${term}`);
  }
  const commands = await page.textContent("#commands");
  assert(commands.includes(`certstream --url 'ws://${ADDRESS}/?match=${term}'`), commands);

  await page.fill("#filter-text", "ab");
  await page.waitForFunction(() => document.querySelector("#filter-problem").textContent !== "");
  const problem = await page.textContent("#filter-problem");
  assert.match(problem, /too short, give at least 3 characters/);
  assert.equal(await page.getAttribute("#filter-text", "aria-invalid"), "true");

  // The filter is in the address, so it can be passed on.
  await page.reload();
  assert.equal(await page.inputValue("#filter-text"), term);
  await page.waitForSelector("#rows tr");
  await page.selectOption("#filter-by", "issuer");
  await page.fill("#filter-text", "nobody has this issuer");
  await page.waitForSelector("#nothing:not([hidden])");
  await page.fill("#filter-text", "");
  await page.waitForFunction(() => location.search === "");
  await page.waitForFunction(() => document.querySelectorAll("#rows tr").length >= 20);
}

async function checkLogs(page) {
  await page.waitForFunction(() => {
    const cells = [...document.querySelectorAll("#log-rows td:nth-child(5) span")];
    return cells.length === 4 && cells.every((cell) => /^[1-9][\d,]*$/.test(cell.textContent));
  });
  const { logs } = await page.evaluate(() => fetch("page/logs.json").then((answer) => answer.json()));
  const rows = await page.$$eval("#log-rows tr", (found) => {
    return found.map((row) => [...row.cells].map((cell) => cell.querySelector("span").textContent));
  });
  for (const [name, health, lag, size, verified] of rows) {
    const log = logs.find((one) => one.name === name);
    assert(log, name);
    assert.equal(health, "healthy");
    assert.match(lag, /^\d+ s$/);
    assert(Number(size.replaceAll(",", "")) <= log.tree_size);
    assert(Number(verified.replaceAll(",", "")) <= log.verified_through);
  }
  await page.click(".logs th[data-by=name] button");
  await page.click(".logs th[data-by=name] button");
  assert.equal(await page.getAttribute(".logs th[data-by=name]", "aria-sort"), "descending");
  const sorted = await page.$$eval("#log-rows td:first-child span", (found) => found.map((one) => one.textContent));
  assert.deepEqual(sorted, [...sorted].sort().reverse());
}

async function checkConnect(page) {
  await page.selectOption("#connect-stream", "domains");
  const commands = await page.textContent("#commands");
  for (const part of ["certstream --url", "/domains-only", "curl -N", "new WebSocket("]) {
    assert(commands.includes(part), `no ${part} in ${commands}`);
  }
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.click("#commands button >> nth=0");
  await page.waitForSelector("#commands button:text('Copied')");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(copied, /^pip install certstream\ncertstream --url 'ws:/);
}

// What axe finds wrong, where.
async function violations(page, where) {
  const found = await page.evaluate(() => globalThis.axe.run());
  return found.violations.map(({ id, impact, nodes }) => {
    return `${where}: ${impact} ${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n")}`;
  });
}

// In both colours and at both widths: what axe finds, and what does not fit.
async function checkLooks(page) {
  await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 40);
  await page.waitForFunction(() => document.querySelectorAll("#log-rows tr").length === 4);
  await page.waitForSelector("#commands button");
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
    const isMeant = /page\/filter.*400|status of 400/.test(`${message.location().url} ${message.text()}`);
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
  [checkStream, checkPause, checkFilter],
  [checkLogs, checkConnect],
  [checkLooks],
  [checkKeyboard],
  [checkLoad],
  [checkResume],
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

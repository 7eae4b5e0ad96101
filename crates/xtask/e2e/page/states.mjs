// The page when something is missing: logs, a token, the server.

import assert from "node:assert/strict";

import { ADDRESS } from "../common.mjs";

const HOME = `http://${ADDRESS}/`;
const REASON = `cannot fetch the log list: https://list.example/${"long".repeat(40)}.json`;

// Changes what the server says about itself.
async function change(page, changes) {
  await page.route("**/page/logs.json", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), ...changes } });
  });
}

export async function checkNoLogs(page) {
  await change(page, { logs: [], reason: REASON });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(HOME);
  await page.waitForSelector("#state[data-is=down]:text-is('no logs')");
  assert.equal(await page.textContent("#reason"), `The server follows no log: ${REASON}`);
  assert.equal(await page.textContent("#proof"), "–");
  assert.equal(await page.textContent("#answering"), "none");
  const said = await page.evaluate((reason) => document.body.innerText.split(reason).length - 1, REASON);
  assert.equal(said, 1, "the reason is given once");
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it fits");

  await page.unroute("**/page/logs.json");
  await change(page, { serves: { websocket: false, sse: false, lite: null, full: null, domains: null }, demo: true });
  await page.reload();
  await page.waitForSelector("#state[data-is=down]:text-is('no stream')");
  assert.match(await page.textContent("#reason"), /^No stream is enabled on this server/);
  assert.match(await page.textContent("#demo"), /simulated/);
  assert(await page.isVisible("#demo"));

  // The operator enables one.
  await page.unroute("**/page/logs.json");
  await page.waitForSelector("#state[data-is=live]");
  await page.waitForSelector("#rows tr");
}
checkNoLogs.goesThere = true;

// Many logs, and nothing new in any.
export async function checkQuiet(page) {
  await page.clock.install();
  await page.route("**/page/logs.json", async (route) => {
    const answer = await (await route.fetch()).json();
    const logs = [...Array(12).keys()].map((at) => ({ ...answer.logs[0], url: `https://${at}.example`, name: `log ${at}` }));
    await route.fulfill({ json: { ...answer, logs, published: 7 } });
  });
  await page.goto(HOME);
  await page.waitForSelector("html[data-ready]");
  await page.waitForSelector("#state[data-is=live]");
  assert.equal(await page.locator("#log-rows tr:visible").count(), 10);
  await page.click("#all-logs:text-is('Show all 12 logs')");
  assert.equal(await page.locator("#log-rows tr:visible").count(), 12);
  await page.clock.fastForward(25_000);
  await page.waitForSelector("#state[data-is=warn]:text-is('nothing new')");
  assert.match(await page.textContent("#reason"), /^No certificate has arrived for 20 seconds/);
  await page.waitForSelector("#server-rate:text-is('0')");
}
checkQuiet.goesThere = true;

// The stream over Server-Sent Events, with the token in a header; the server itself wants none.
export async function checkToken(page) {
  await change(page, { auth: { required: true, header: "Authorization", query: false } });
  const sent = [];
  await page.route("**/sse?*", async (route) => {
    const { authorization } = route.request().headers();
    sent.push(authorization);
    if (authorization === "Bearer right") return route.continue();
    return route.fulfill({ status: 401, body: "Unauthorized" });
  });
  await page.goto(HOME);
  await page.waitForSelector("#token:not([hidden])");
  assert.equal(await page.textContent("#state"), "token required");
  await page.fill("#token-text", "wrong");
  await page.press("#token-text", "Enter");
  await page.waitForSelector("#token label:text-is('The server did not accept this token.')");
  await page.fill("#token-text", "right");
  await page.press("#token-text", "Enter");
  await page.waitForSelector("html[data-ready]");
  await page.waitForSelector("#state[data-is=live]");
  assert(await page.isHidden("#token"));
  assert.deepEqual([...new Set(sent)], ["Bearer wrong", "Bearer right"]);
  assert(!page.url().includes("right"), "a token is never in the address");

  // It is kept for the tab, and forgotten on request.
  await page.reload();
  await page.waitForSelector("#state[data-is=live]");
  await page.click("#token-forget");
  await page.waitForSelector("#token:not([hidden])");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
}
checkToken.goesThere = true;

export async function checkStop(page) {
  let stopped = false;
  await page.routeWebSocket(/./, (socket) => {
    if (stopped) return socket.close({ code: 1013, reason: "not here" });
    const server = socket.connectToServer();
    page.once("stop", () => {
      server.close();
      socket.close({ code: 1001, reason: "going away" });
    });
  });
  await page.goto(HOME);
  await page.waitForSelector("html[data-ready]");
  stopped = true;
  await page.route(/logs\.json|sse/, (route) => route.abort());
  page.emit("stop");
  await page.waitForSelector("#state[data-is=down]:text-is('server not reachable, retrying')");
  assert.match(await page.textContent("#reason"), /^The server does not answer\. The data shown is from \d\d:\d\d:\d\d\./);
  stopped = false;
  await page.unroute(/logs\.json|sse/);
  await page.waitForSelector("#state[data-is=live]");
  assert(await page.isHidden("#reason"));
}
checkStop.goesThere = true;

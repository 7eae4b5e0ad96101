// One certificate: what is shown of it, and how it is taken along. Notifications.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

const fact = (page, name) => page.$eval("#detail-facts", (list, wanted) => {
  return [...list.querySelectorAll("dt")].find((one) => one.textContent === wanted)?.nextSibling.textContent;
}, name);

async function saved(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  return [download.suggestedFilename(), readFileSync(await download.path(), "utf8")];
}

export async function checkDetail(page) {
  await page.waitForSelector("html[data-ready]");
  await page.click("#rows .name >> nth=0");
  await page.waitForSelector("#detail[open]");
  const title = await page.textContent("#detail-title");
  const extensions = await page.$$eval("#detail-extensions dt", (found) => found.map((one) => one.textContent));
  assert(extensions.includes("subjectAltName") && extensions.includes("keyUsage"), `${extensions}`);
  assert.match(await page.getAttribute("#detail-facts a[href^=http]", "rel"), /noopener/);

  const [file, pem] = await saved(page, "#detail-pem");
  assert.match(file, /^[a-z0-9][a-z0-9._-]*\.pem$/i);
  const certificate = new X509Certificate(pem);
  assert((await fact(page, "SHA-256")).startsWith(certificate.fingerprint256), "the PEM is of this certificate");
  const [, json] = await saved(page, "#detail-json");
  assert.equal(JSON.parse(json).leaf_cert.sha256, certificate.fingerprint256);

  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.click("#detail-link");
  await page.waitForSelector("#detail-note:text-is('Link copied.')");
  const link = await page.evaluate(() => navigator.clipboard.readText());
  await page.goto("about:blank");
  await page.goto(link);
  await page.waitForSelector("#detail[open]");
  assert.equal(await page.textContent("#detail-title"), title);
  assert((await fact(page, "SHA-256")).startsWith(certificate.fingerprint256));
  await page.keyboard.press("Escape");
}

// Runs in the page, before its own scripts: keeps what would be shown.
function record() {
  window.shown = [];
  window.asked = 0;
  window.Notification = class {
    static async requestPermission() {
      window.asked += 1;
      return "granted";
    }
    constructor(title, { body }) {
      window.shown.push([title, body]);
    }
  };
}

export async function checkNotifications(page) {
  await page.addInitScript(record);
  await page.goto("about:blank");
  await page.goto(`http://${process.env.ADDRESS}/`);
  await page.waitForSelector("html[data-ready]");
  await page.click("#notify");
  assert.match(await page.textContent("#notify-note"), /^Add a filter first/);
  await page.selectOption("#filter-by", "domain");
  await page.fill("#filter-text", "com");
  await page.waitForFunction(() => location.search === "?domain=com");
  assert.deepEqual(await page.evaluate(() => [window.asked, window.shown.length]), [0, 0], "nobody was asked");
  await page.click("#notify");
  await page.waitForFunction(() => window.shown.length >= 2);
  const [[name, body], [, second]] = await page.evaluate(() => window.shown);
  assert.match(name, /\.com$/);
  assert(body.length > 3, "the issuer");
  assert.match(second, /\nand \d+ more$/, "what came in between is counted");
  assert.equal(await page.textContent("#notify"), "Stop notifying");
  await page.fill("#filter-text", "");
  await page.waitForFunction(() => document.querySelector("#notify").textContent === "Notify me");
}

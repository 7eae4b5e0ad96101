// "Use this filter": the programs that the page shows are run as they are.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runInNewContext } from "node:vm";

import { ADDRESS, require } from "../common.mjs";

const LINES = 5;

async function program(page, name) {
  await page.click(`#connect-tabs button:text-is("${name}")`);
  return page.textContent("#connect-code");
}

// Runs a command until it has printed so many lines.
async function lines(words, folder, count) {
  const child = spawn(words[0], words.slice(1), { cwd: folder, stdio: ["ignore", "pipe", "inherit"], detached: true });
  const read = [];
  for await (const line of createInterface({ input: child.stdout })) {
    read.push(line);
    if (read.length === count) break;
  }
  process.kill(-child.pid, "SIGKILL");
  return read;
}

// Runs in the page: what the stream sends after an offset, as the programs should print it.
function reference([query, since, issuer, count]) {
  return new Promise((resolve) => {
    const found = [];
    const socket = new WebSocket(`ws://${location.host}/?${query}&since=${since}`);
    socket.onmessage = ({ data }) => {
      const { message_type: type, data: certificate } = JSON.parse(data);
      if (type !== "certificate_update") return;
      const { O, CN } = certificate.leaf_cert.issuer;
      if (`${O} ${CN}`.toLowerCase().includes(issuer)) return;
      found.push(certificate.leaf_cert.all_domains.join(" "));
      if (found.length < count) return;
      socket.close();
      resolve(found);
    };
  });
}

async function checkPython(page, folder, issuer) {
  const text = await program(page, "Python");
  const start = await page.evaluate(() => fetch("page/logs.json").then((answer) => answer.json()));
  // It begins where it stopped, before what comes now.
  const since = start.head - 200;
  writeFileSync(join(folder, "offset.txt"), String(since));
  writeFileSync(join(folder, "stream.py"), text);
  const printed = await lines(["python3", "stream.py"], folder, LINES);
  assert.deepEqual(printed, await page.evaluate(reference, ["domain=com", since, issuer, LINES]));
  assert(Number(readFileSync(join(folder, "offset.txt"), "utf8")) > since);
}

async function checkScript(page, issuer) {
  const text = await program(page, "JavaScript");
  const { WebSocket } = require("ws");
  const sockets = [];
  const seen = await new Promise((resolve, reject) => {
    const printed = [];
    const made = class extends WebSocket {
      constructor(url) {
        super(url);
        sockets.push(this);
      }
    };
    const log = (...names) => printed.push(names.join(" ")) === LINES && resolve(printed);
    runInNewContext(text, { WebSocket: made, console: { log, error: reject }, setTimeout: () => {} });
  });
  sockets.forEach((socket) => socket.terminate());
  assert(seen.every((names) => names.includes(".com")), `${seen}`);
  assert(text.includes(JSON.stringify([issuer])), "it hides what the page hides");
}

export async function checkPrograms(page) {
  const issuer = "lindenhof";
  await page.goto(`http://${ADDRESS}/?domain=com&not-issuer=${issuer}`);
  await page.waitForSelector("html[data-ready]");
  assert.equal(await page.textContent("#use"), "Use this filter");
  await page.click(".top nav a[href='#connect']");
  const folder = mkdtempSync(join(tmpdir(), "certstream-programs-"));
  try {
    await checkPython(page, folder, issuer);
    await checkScript(page, issuer);
    const curl = await program(page, "curl");
    const [line] = await lines(["bash", "-c", curl], folder, 1);
    assert(JSON.parse(line).data.leaf_cert.all_domains.some((name) => name.endsWith(".com")), line);
    const tail = await program(page, "Terminal");
    const [printed] = await lines(["bash", "-c", tail], folder, 1);
    assert.match(printed, /\.com\b/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const url = await program(page, "WebSocket URL");
  assert(url.startsWith(`ws://${ADDRESS}/?domain=com\n`), url);
  await page.selectOption("#connect-stream", "domains");
  assert((await program(page, "WebSocket URL")).startsWith(`ws://${ADDRESS}/domains-only?domain=com\n`));
  assert.match(await program(page, "Files (Arrow)"), /^certstream-arrow --url 'ws:.*\/domains-only' \\\n  --domain 'com' \\\n  --stream domains/);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.click("#connect-copy");
  await page.waitForSelector("#connect-copy:text('Copied')");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, await page.textContent("#connect-code"));
}

// The page before a stream that Chromium plays: more than anybody can read, hostile, and cut.

import assert from "node:assert/strict";

import { ADDRESS } from "../common.mjs";

// A second's certificates of all logs on a busy day.
const A_SECOND = 2500;
const SECONDS = 1;
const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>.example';

function message(offset) {
  const name = { CN: HOSTILE, O: HOSTILE, aggregated: HOSTILE };
  return JSON.stringify({
    data: {
      cert_index: offset, cert_link: "javascript:window.hacked=1", seen: 1.5,
      leaf_cert: {
        all_domains: [HOSTILE, `${offset}.example`], subject: name, issuer: name, not_before: 0,
        not_after: 253402300799, serial_number: HOSTILE, extensions: { subjectAltName: "x".repeat(900) },
      },
      source: { name: HOSTILE, url: HOSTILE }, update_type: "X509LogEntry",
    },
    message_type: "certificate_update",
    offset,
  });
}

export async function checkLoad(page) {
  await page.routeWebSocket(/./, (socket) => {
    // All of them newer than what there was when the page was opened.
    const first = Number(new URL(socket.url()).searchParams.get("since") ?? 0) + 1000;
    let sent = 0;
    const timer = setInterval(() => {
      for (let some = 0; some < A_SECOND / 20; some += 1) socket.send(message(first + sent++));
      if (sent >= A_SECOND * SECONDS) clearInterval(timer);
    }, 50);
    socket.onClose(() => clearInterval(timer));
  });
  await page.goto(`http://${ADDRESS}/`);
  const most = [];
  const isDone = (count) => document.querySelector("#count").textContent === count;
  const total = (A_SECOND * SECONDS).toLocaleString("en");
  while (!(await page.evaluate(isDone, total))) {
    most.push(await page.evaluate(() => document.querySelectorAll("#rows tr").length));
    await page.waitForTimeout(200);
  }
  assert(most.length > 1 && Math.max(...most) <= 25, `rows: ${most}`);
  await page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 25);
  assert.match(await page.textContent("#sample"), /^Showing a sample\./);
  await page.click("#rows .name >> nth=0");
  await page.waitForSelector("#detail[open]");
  assert.equal(await page.textContent("#rows .name b >> nth=0"), HOSTILE);
  assert.equal(await page.textContent("#detail-title"), HOSTILE);
  const made = await page.evaluate(() => {
    return [document.querySelectorAll("#rows img, #rows script, dialog img, dialog a").length, window.hacked];
  });
  assert.deepEqual(made, [0, undefined], "text from certificates stays text");
}
checkLoad.goesThere = true;

export async function checkResume(page) {
  const asked = [];
  await page.routeWebSocket(/./, (socket) => {
    asked.push(new URL(socket.url()).searchParams.get("since"));
    const first = 2_000_000_000_000_000 + asked.length * 10;
    for (let some = 0; some < 5; some += 1) socket.send(message(first + some));
    if (asked.length === 2) {
      socket.send(JSON.stringify({ message_type: "heartbeat", offset: first + 7, timestamp: 1.5 }));
    }
    if (asked.length < 3) setTimeout(() => socket.close({ code: 1001, reason: "going away" }), 100);
  });
  await page.goto(`http://${ADDRESS}/`);
  while (asked.length < 3) await page.waitForTimeout(50);
  assert.deepEqual(asked.slice(1), ["2000000000000014", "2000000000000027"], "resumes after the last message or heartbeat");
  await page.waitForSelector("#state[data-is=live]");
}
checkResume.goesThere = true;

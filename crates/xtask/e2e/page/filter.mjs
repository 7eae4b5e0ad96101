// Filters: what is typed, what is kept, and what is hidden.

import assert from "node:assert/strict";

// For each row: its first name, the part that is marked, and the names in its title.
const rows = (page) => page.$$eval("#rows .name", (found) => found.map((one) => ({
  first: one.querySelector("b").textContent,
  marked: one.querySelector("mark")?.textContent,
  names: one.title,
})));

const chips = (page) => page.$$eval("#filter-chips li", (found) => found.map((one) => one.textContent.replace("×", "")));

export async function checkFilter(page) {
  await page.waitForSelector("html[data-ready]");
  // A term that some certificate of late has: part of a name that is shown. Parts of international
  // names are not found in the form in which they are shown.
  const shown = (await rows(page)).map(({ first }) => first.replace("*.", "").split("."));
  const term = shown.flat().find((label) => /^(?!xn--)[a-z0-9-]{4,}$/.test(label)).slice(0, 4);
  await page.fill("#filter-text", ` ${term} ,`);
  await page.waitForFunction((text) => location.search === `?match=${text}`, term);
  await page.waitForSelector("#rows tr");
  for (const row of await rows(page)) {
    assert(row.first.includes(term), `${row.first} has no ${term}: the name that matches comes first`);
    assert.equal(row.marked, term);
  }
  await page.fill("#filter-text", "ab");
  await page.waitForFunction(() => document.querySelector("#filter-problem").textContent !== "");
  assert.match(await page.textContent("#filter-problem"), /too short, give at least 3 characters/);
  assert.equal(await page.getAttribute("#filter-text", "aria-invalid"), "true");

  // The filter is in the address, so it can be passed on.
  await page.reload();
  assert.equal(await page.inputValue("#filter-text"), term);
  await page.waitForSelector("#rows tr");
  await page.selectOption("#filter-by", "issuer");
  await page.fill("#filter-text", "nobody has this issuer");
  await page.waitForFunction(() => {
    return /^Waiting for the first match since .* · [1-9]\d* certificates checked$/.test(document.querySelector("#nothing").textContent);
  });
  // Nothing matches, and still the server works.
  assert(Number(await page.textContent("#server-rate")) > 0);
  assert.match(await page.textContent("#match-rate"), /^0 in /);
  assert.match(await page.textContent("#count"), /^0 of [1-9]/);
  await page.fill("#filter-text", "");
  await page.waitForFunction(() => location.search === "");
  await page.waitForFunction(() => document.querySelectorAll("#rows tr").length >= 20);
}

// Several filters, one of which hides certificates.
export async function checkSeveral(page) {
  const requested = [];
  page.on("websocket", (socket) => requested.push(new URL(socket.url()).searchParams));
  const [issuer] = (await page.textContent("#top-issuer + ol button >> nth=0 >> span")).split(",");
  await page.selectOption("#filter-by", "not-issuer");
  await page.fill("#filter-text", issuer);
  await page.press("#filter-text", "Enter");
  await page.waitForSelector("#filter-chips li");
  await page.selectOption("#filter-by", "domain");
  await page.fill("#filter-text", "com, org");
  await page.press("#filter-text", "Enter");
  await page.waitForSelector("#filter-chips li >> nth=2");
  await page.selectOption("#filter-entry", "precert");
  await page.waitForFunction(() => new URLSearchParams(location.search).get("entry") === "precert");
  assert.deepEqual(await chips(page), [`not: issuer contains ${issuer}`, "domain com", "domain org"]);
  await page.waitForFunction(() => document.querySelectorAll("#rows tr").length >= 5);
  const shown = await page.$$eval("#rows tr", (found) => found.map((one) => {
    return [one.querySelector("mark").textContent, one.cells[1].querySelector("span").title, one.cells[3].textContent];
  }));
  for (const [marked, by, kind] of shown) {
    assert(["com", "org"].includes(marked), marked);
    assert(!by.includes(issuer), `${by} is hidden`);
    assert.equal(kind, "precert");
  }
  const last = Object.fromEntries(requested.at(-1));
  assert.deepEqual([last.domain, last.entry, last["not-issuer"]], ["com,org", "precert", undefined]);
  await page.reload();
  await page.waitForSelector("#filter-chips li >> nth=2");
  for (let left = 3; left > 0; left -= 1) await page.click("#filter-chips button >> nth=0");
  await page.waitForFunction(() => location.search === "?entry=precert");
  await page.selectOption("#filter-entry", "");
  await page.waitForFunction(() => location.search === "");
}

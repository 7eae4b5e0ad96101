// The keyboard alone reaches everything and does everything.

import assert from "node:assert/strict";

// The stops of the Tab key, in this order.
const STOPS = [
  ".skip", ".top nav a[href='#stream']", ".top nav a[href='#logs']", ".top nav a[href='#connect']",
  "#filter-by", "#filter-text", "#filter-add", "#filter-entry", "#use", "#notify",
  "#connect-stream", "#connect-close", "#connect-tabs [aria-selected=true]", "#connect-copy", "#connect-panel pre",
  "#pause", "#rows .name", "#top-issuer + ol button", "#top-domain + ol button", "#top-log + ol button",
  ".logs th[data-by=name] button", ".logs th[data-by=health] button", ".logs th[data-by=lag] button",
  ".logs th[data-by=size] button", ".logs th[data-by=verified] button", "#links a",
];

// The element with the focus: its stop, and whether it is visible.
function focused(stops) {
  const { activeElement } = document;
  const { width, height } = activeElement.getBoundingClientRect();
  const style = getComputedStyle(activeElement);
  return {
    stop: stops.findIndex((stop) => activeElement.matches(stop)),
    isSeen: width > 2 && height > 2 && style.visibility === "visible",
    isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
    html: activeElement.outerHTML.slice(0, 120),
  };
}

async function checkOrder(page) {
  const reached = [];
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(focused, STOPS);
    if (at.html.startsWith("<body")) break;
    assert(at.stop >= 0, `an unknown stop: ${at.html}`);
    assert(at.isSeen && at.isMarked, `the focus cannot be seen: ${JSON.stringify(at)}`);
    if (!reached.includes(at.stop)) reached.push(at.stop);
  }
  assert.deepEqual(STOPS.filter((_, at) => !reached.includes(at)), [], "never reached");
  assert.deepEqual(reached, STOPS.map((_, at) => at), "from top to bottom");
}

async function tabTo(page, selector) {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((stop) => document.activeElement.matches(stop), selector)) return;
  }
  assert.fail(`${selector} is not reached`);
}

export async function checkKeyboard(page) {
  await page.waitForSelector("html[data-ready]");
  await page.waitForFunction(() => document.querySelectorAll("ol.top button").length >= 7);
  await tabTo(page, "#use");
  await page.keyboard.press("Enter");
  await tabTo(page, "#connect-tabs [aria-selected=true]");
  await page.keyboard.press("ArrowRight");
  const tab = await page.evaluate(() => document.activeElement.textContent);
  assert.equal(tab, await page.textContent("#connect-tabs [aria-selected=true]"));
  assert.equal(tab, "curl");
  // From the top again, with the panel open.
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
  });
  await checkOrder(page);

  await page.reload();
  await page.waitForSelector("html[data-ready]");
  await tabTo(page, "#pause");
  await page.keyboard.press("Space");
  assert.equal(await page.textContent("#pause"), "Resume");
  await page.keyboard.press("Enter");
  assert.equal(await page.textContent("#pause"), "Pause");

  // Among the certificates by arrow keys, while they keep still; one opened and closed again.
  await tabTo(page, "#rows .name");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  const third = () => page.$eval("#rows tr:nth-child(3) .name", (name) => document.activeElement === name);
  assert(await third(), "two down from the first");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#detail[open]");
  assert.match(await page.textContent("#detail-facts"), /Issuer.*SHA-256.*Entry/s);
  await page.keyboard.press("Escape");
  await page.waitForSelector("#detail:not([open])", { state: "attached" });
  assert(await third(), "back where it was opened");
}

// A screenshot of the page at / for the documentation, in the light colours: screenshot.mjs FILE.

import { withBrowser } from "./browser.mjs";
import { ADDRESS } from "./common.mjs";

// Rows of certificates on the page.
const ROWS = 12;

await withBrowser(async (context) => {
  const page = await context.newPage();
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto(`http://${ADDRESS}/`);
  await page.waitForFunction((rows) => document.querySelectorAll("#rows tr").length >= rows, ROWS);
  // Figures over some seconds have a value, and logs are at their heads.
  await page.waitForTimeout(20000);
  await page.screenshot({ path: process.argv[2] });
});

// A headless Chromium of its own for a check, which is gone afterwards.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { require } from "./common.mjs";

const { chromium } = require("playwright-core");

export async function withBrowser(check) {
  const userData = mkdtempSync(join(tmpdir(), "certstream-chromium-"));
  const context = await chromium.launchPersistentContext(userData, {
    executablePath: process.env.CHROMIUM,
    headless: true,
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
  try {
    await check(context);
  } finally {
    await context.close();
    rmSync(userData, { recursive: true, force: true });
  }
}

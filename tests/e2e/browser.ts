import { mkdir } from "node:fs/promises";
import * as path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { findChromium } from "../../commands/chromium";
import { screenshotFolder } from "./stack";

/** Chrome, Chromium or Edge on this machine; undefined if there is none. */
export const executablePath = findChromium();

/**
 * A browser without a window that talks to nobody but the pages it is sent to.
 *
 * @param hosts where it finds hosts that this machine does not know: "host:port" by "host:port".
 */
export function openBrowser(hosts: Record<string, string> = {}): Promise<Browser> {
  const rules = Object.entries(hosts).map(([host, address]) => `MAP ${host} ${address}`);
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...(rules.length === 0 ? [] : [`--host-resolver-rules=${rules.join(", ")}`]),
    ],
  });
}

/** Keeps a picture of what the page shows. */
export async function takePicture(page: Page, name: string): Promise<void> {
  await mkdir(screenshotFolder, { recursive: true });
  await page.screenshot({ path: path.join(screenshotFolder, `${name}.png`) });
}

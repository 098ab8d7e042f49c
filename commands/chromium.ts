import { existsSync } from "node:fs";
import * as path from "node:path";
import { canInstallPackages, installPackages } from "../toolchain/debian-host";
import type { Reporter } from "../toolchain/index";
import { messageOf } from "./command";

const programs = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"];

const macApplications = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
];

/** A browser that the tests can drive: CHROME_PATH, else one that is installed. */
export function findChromium(): string | undefined {
  const chosen = process.env["CHROME_PATH"];
  if (chosen) return chosen;
  const folders = (process.env["PATH"] ?? "").split(path.delimiter);
  const candidates = programs.flatMap((program) => folders.map((folder) => path.join(folder, program)));
  return [...candidates, ...macApplications].find((file) => existsSync(file));
}

/** As {@link findChromium}, installing one where that is possible. Undefined, and said, where it is not. */
export async function ensureChromium(reporter: Reporter): Promise<string | undefined> {
  const found = findChromium();
  if (found !== undefined) return found;
  const task = reporter.task("Browser for the tests");
  if (!canInstallPackages()) {
    task.fail("none found: set CHROME_PATH to Chrome, Chromium or Edge; the tests that need one are skipped");
    return undefined;
  }
  try {
    await installPackages(["chromium"], task);
    task.done("chromium installed");
  } catch (error) {
    task.fail(`not installed: ${messageOf(error)}; the tests that need one are skipped`);
  }
  return findChromium();
}

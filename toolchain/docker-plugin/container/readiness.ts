import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import type { Work } from "../resource-type";
import type { Found } from "./engine-types";
import { inspect } from "./engine-types";
import { lastWords } from "./output";

/** What the inputs say about when a container counts as made. */
export interface Readiness {
  mustRun?: boolean;
  wait?: boolean;
  waitTimeout?: number;
}

const POLL_MS = 250;
/** A container that ends at once has done so within this time. */
const FIRST_LOOK_MS = 100;
/** Restarts after which a container that is restarted by its policy will hardly ever stay. */
const MANY_RESTARTS = 5;

/** Waits until the container runs, and answers if it is to be waited for. Fails with its last words. */
export async function awaitReadiness(
  container: Docker.Container,
  name: string,
  { mustRun = true, wait = false, waitTimeout = 60 }: Readiness,
  work: Work,
): Promise<void> {
  const started = Date.now();
  let shown = 0;
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const fail = async (what: string, found: Found): Promise<never> => {
    throw new Error(`Container ${name} ${what}\n${await lastWords(container, found)}`);
  };

  await sleep(FIRST_LOOK_MS, undefined, { signal: work.signal });
  for (;;) {
    const found = await inspect(container);
    const { Running, ExitCode, OOMKilled, Health } = found.State;
    const memory = OOMKilled ? ": it used more memory than its limit" : "";
    if (!Running && mustRun) return fail(`exited with code ${ExitCode}${memory}.`, found);
    if (found.RestartCount >= MANY_RESTARTS) {
      return fail(`was restarted ${found.RestartCount} times, last exit code ${ExitCode}${memory}.`, found);
    }
    if (!Running || !wait || Health?.Status === "healthy") return;
    if (!Health)
      return fail("is to be waited for, but has no health check: give it one, or leave out `wait`.", found);
    if (seconds() >= waitTimeout) return fail(`was not healthy after ${waitTimeout} s (waitTimeout).`, found);
    if (seconds() > shown) work.status(`waiting until ${name} is healthy (${(shown = seconds())} s)`);
    await sleep(POLL_MS, undefined, { signal: work.signal });
  }
}

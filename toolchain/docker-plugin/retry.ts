import { setTimeout as sleep } from "node:timers/promises";
import { reason, statusCode } from "./engine-messages";

const PATIENCE_MS = 30_000;
const PAUSE_MS = 500;

/** Does it again while the engine refuses because the thing is in use, and gives up with what the engine says. */
export async function retryWhileInUse(
  thing: string,
  signal: AbortSignal,
  attempt: () => Promise<unknown>,
): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      // Engines before 25 say 403 of a network with containers on it, later ones 409 as of a volume.
      const inUse = [403, 409].includes(statusCode(error) ?? 0);
      if (!inUse || Date.now() > end) throw new Error(`${thing}: ${reason(error)}`, { cause: error });
      await sleep(PAUSE_MS, undefined, { signal });
    }
  }
}

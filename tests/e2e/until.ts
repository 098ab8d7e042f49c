import { setTimeout as sleep } from "node:timers/promises";

/**
 * Asks once a second until there is an answer other than undefined or false. An error counts as "not yet".
 *
 * @throws with what was seen last, when the time is over.
 */
export async function until<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined | false>,
  pauseSeconds = 1,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let last: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      throw new Error(`Waited ${seconds} s for: ${what}. Seen last: ${String(last)}`, { cause: last });
    }
    await sleep(pauseSeconds * 1000);
  }
}

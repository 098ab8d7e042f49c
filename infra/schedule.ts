import type { Found, Path } from "./source-fault";

const cronFields = [
  { name: "minute", least: 0, most: 59 },
  { name: "hour", least: 0, most: 23 },
  { name: "day of month", least: 1, most: 31 },
  { name: "month", least: 1, most: 12 },
  { name: "day of week", least: 0, most: 7 },
];

/** Those after which a day, and below an hour each hour, begins with a run. */
const evenMinutes = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720];

/** N of "every N minutes"; undefined of any other text. */
export function minutesOf(schedule: string): number | undefined {
  const match = /^every (\d{1,4}) minutes?$/.exec(schedule.trim());
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** A schedule in five cron fields. */
export function cronOf(schedule: string): string {
  const minutes = minutesOf(schedule);
  if (minutes === undefined) return schedule;
  if (minutes < 60) return minutes === 1 ? "* * * * *" : `*/${minutes} * * * *`;
  return minutes === 60 ? "0 * * * *" : `0 */${minutes / 60} * * *`;
}

/** What is wrong with a schedule of runs: cron fields, or every N minutes. */
export function scheduleFaults(schedule: string | undefined, path: Path): Found[] {
  const minutes = schedule === undefined ? undefined : minutesOf(schedule);
  if (minutes !== undefined) {
    const expected = `every N minutes, N being one of ${evenMinutes.join(", ")}`;
    return evenMinutes.includes(minutes) ? [] : [{ path, found: `"${schedule ?? ""}"`, expected }];
  }
  return cronFaults(schedule, path, ", or every N minutes");
}

/**
 * What is wrong with cron fields.
 *
 * @param or what else the schedule could be, in words.
 */
export function cronFaults(schedule: string | undefined, path: Path, or = ""): Found[] {
  if (schedule === undefined) return [];
  const fault = (expected: string) => [{ path, found: `"${schedule}"`, expected }];
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== cronFields.length) {
    return fault(`five cron fields in UTC: minute hour day-of-month month day-of-week${or}`);
  }
  return cronFields.flatMap(({ name, least, most }, index) => {
    const good = (fields[index] ?? "").split(",").every((part) => isCronPart(part, least, most));
    return good ? [] : fault(`for the ${name} *, */n, or numbers and ranges from ${least} to ${most}`);
  });
}

function isCronPart(part: string, least: number, most: number): boolean {
  const match = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/([1-9]\d*))?$/.exec(part);
  if (!match) return false;
  const from = Number(match[1] ?? least);
  const to = Number(match[2] ?? from);
  return from >= least && to <= most && from <= to;
}

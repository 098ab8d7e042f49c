import { barChart } from "./bar-chart";
import type { SchedulerResult } from "./scheduler";

/** Tasks a second by the number of schedulers and of tasks that each runs at a time. */
export function schedulerChart({ results }: Pick<SchedulerResult, "results">): string {
  const bars = results.map(({ schedulers, parallelism, tasksPerSecond, delay }) => ({
    name: `${schedulers} ${schedulers === 1 ? "scheduler" : "schedulers"}, ${parallelism} at a time${schedulers === 1 ? "" : " each"}`,
    value: tasksPerSecond,
    text: `${tasksPerSecond.toFixed(2)}/s, first after ${delay.median.toFixed(1)} s`,
    colour: schedulers * parallelism === 1 ? "#a9a9a9" : "#2a6f97",
  }));
  return barChart("Scheduler: tasks a second that do nothing", bars);
}

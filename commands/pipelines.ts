import { setTimeout as sleep } from "node:timers/promises";
import { type Reporter, type Task, UserError } from "../toolchain/index";
import type { AirflowClient, TaskInstance } from "./airflow-client";

/** A run of a DAG that has to have succeeded. */
export interface PipelineRun {
  dag: string;
  /** The same for the same work, so that it is done once. */
  id: string;
  conf: Record<string, unknown>;
  /** As people call it: "media 2018-04". */
  title: string;
  /** There is new data for it: do it again even if it has succeeded. */
  again: boolean;
}

/** How often a run's state is asked for, ms. */
const interval = 1500;
/** Lines of a failed task that are shown. */
const shownLines = 15;

/** Waits for the DAG that makes the tables; it runs by itself when Airflow first sees it. */
export async function awaitTables(
  airflow: AirflowClient,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const dag = "create_tables";
  await airflow.awaitDag(dag);
  let run = await airflow.latestRun(dag);
  if (run?.state === "success") return;

  const task = reporter.task("Tables");
  if (run?.state === "failed") await airflow.repeat(dag, run.dag_run_id);
  const until = Date.now() + 120_000;
  while ((run = await airflow.latestRun(dag)) === undefined) {
    if (Date.now() > until) {
      task.fail("the DAG create_tables has not begun within two minutes");
      throw new UserError(
        "Airflow knows the DAG create_tables but does not run it.",
        "Is it paused on Airflow's page? See also: npm run logs -- airflow-scheduler",
      );
    }
    await sleep(interval, undefined, { signal });
  }
  await follow(airflow, { dag, id: run.dag_run_id, title: "create_tables" }, task, signal);
}

/**
 * Sees to it that every run has succeeded, all at the same time. A run that has is left alone, one that failed is
 * repeated.
 *
 * @returns the runs that had something to do.
 */
export async function runPipelines(
  airflow: AirflowClient,
  runs: readonly PipelineRun[],
  reporter: Reporter,
  signal: AbortSignal,
): Promise<PipelineRun[]> {
  const outcomes = await Promise.allSettled(runs.map((run) => ensureRun(airflow, run, reporter, signal)));
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason as Error;
  return runs.filter((_, index) => (outcomes[index] as PromiseFulfilledResult<boolean>).value);
}

async function ensureRun(
  airflow: AirflowClient,
  run: PipelineRun,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<boolean> {
  const { dag, id } = run;
  await airflow.awaitDag(dag);
  const before = await airflow.run(dag, id);
  if (before?.state === "success" && !run.again) return false;

  const task = reporter.task(`Pipeline ${run.title}`);
  await airflow.unpause(dag);
  if (before === undefined) await airflow.trigger(dag, id, run.conf);
  else if (before.state === "failed" || before.state === "success") await airflow.repeat(dag, id);
  await follow(airflow, run, task, signal);
  return true;
}

/** A run that is watched. */
export interface FollowedRun {
  dag: string;
  id: string;
  title: string;
  /** What to do if it fails. Default: npm run up. */
  remedy?: string;
}

/**
 * Shows the run's tasks until it ends.
 *
 * @throws UserError with the last lines of the task that has failed.
 */
export async function follow(
  airflow: AirflowClient,
  run: FollowedRun,
  task: Task,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      const { state } = (await airflow.run(run.dag, run.id)) ?? { state: "queued" };
      const tasks = await airflow.tasks(run.dag, run.id);
      if (state === "success") {
        task.done("done");
        return;
      }
      if (state === "failed") throw await failure(airflow, run, tasks);
      task.update(describe(state, tasks));
      await sleep(interval, undefined, { signal });
    }
  } catch (error) {
    task.fail(signal.aborted ? "interrupted; Airflow goes on with it" : "failed");
    throw error;
  }
}

/** For example "3 of 5 tasks done, ingest running". */
export function describe(state: string, tasks: readonly TaskInstance[]): string {
  if (state === "queued" || tasks.length === 0) return "waiting for the scheduler";
  const done = tasks.filter((each) => each.state === "success" || each.state === "skipped").length;
  const active =
    tasks.find((each) => each.state === "running") ?? tasks.find((each) => each.state !== "success");
  const now =
    active === undefined ? "" : `, ${active.task_id} ${(active.state ?? "waiting").replaceAll("_", " ")}`;
  const tries = (active?.try_number ?? 0) > 1 ? ` (try ${active?.try_number ?? 0})` : "";
  return tasks.length === 1
    ? `${now.slice(2)}${tries}`
    : `${done} of ${tasks.length} tasks done${now}${tries}`;
}

async function failure(
  airflow: AirflowClient,
  { dag, id, title, remedy = "When the cause is mended, npm run up runs it again." }: FollowedRun,
  tasks: readonly TaskInstance[],
): Promise<UserError> {
  const culprit = tasks.find((each) => each.state === "failed");
  const lines =
    culprit === undefined ? [] : await airflow.logTail(dag, id, culprit, shownLines).catch(() => []);
  const where = culprit === undefined ? "" : `, in task ${culprit.task_id}`;
  return new UserError(
    [
      `The pipeline ${title} failed (DAG ${dag}, run ${id}${where}).`,
      ...lines.map((line) => `    ${line}`),
    ].join("\n"),
    `The whole log is on Airflow's page. ${remedy}`,
  );
}

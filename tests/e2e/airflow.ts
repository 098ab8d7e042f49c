import { outputs } from "./lakestack";
import { until } from "./until";

export interface Run {
  dag_run_id: string;
  dag_id: string;
  state: "queued" | "running" | "success" | "failed";
  run_type: "manual" | "scheduled" | "backfill";
  logical_date: string | null;
  data_interval_start: string | null;
  start_date: string | null;
  end_date: string | null;
}

export interface TaskInstance {
  dag_id: string;
  dag_run_id: string;
  task_id: string;
  state: string | null;
  try_number: number;
  map_index: number;
  start_date: string | null;
  end_date: string | null;
}

/** What a run is started with. */
export interface Trigger {
  /** Its id; unique in the DAG. */
  id: string;
  /** ISO time that the run stands for; none if absent. */
  logicalDate?: string;
  conf?: Record<string, unknown>;
}

let token: string | undefined;
let password = outputs.airflowPassword;

/** Asks with another password from now on: the administrator's has changed. */
export function usePassword(another: string): void {
  password = another;
  token = undefined;
}

/** Asks Airflow's REST interface as its administrator. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  token ??= await login(password);
  const response = await fetch(`${outputs.airflowUrl}/api/v2${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status} ${text.slice(0, 500)}`);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** @returns a token for the REST interface. @throws with the HTTP status, when the password is refused. */
export async function login(withPassword: string): Promise<string> {
  const response = await fetch(`${outputs.airflowUrl}/auth/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: outputs.airflowUser, password: withPassword }),
  });
  if (response.status !== 201) throw new Error(`Login: HTTP ${response.status} ${await response.text()}`);
  return ((await response.json()) as { access_token: string }).access_token;
}

export const dag = (id: string) => ask<{ is_paused: boolean; dag_id: string }>("GET", `/dags/${id}`);

export const dags = async () => (await ask<{ dags: { dag_id: string }[] }>("GET", "/dags?limit=100")).dags;

export async function setPaused(id: string, paused: boolean): Promise<void> {
  await ask("PATCH", `/dags/${id}?update_mask=is_paused`, { is_paused: paused });
}

/** Switches a DAG on and starts a run of it. */
export async function trigger(dagId: string, { id, logicalDate, conf = {} }: Trigger): Promise<void> {
  await setPaused(dagId, false);
  const body = { dag_run_id: id, logical_date: logicalDate ?? null, conf };
  await ask("POST", `/dags/${dagId}/dagRuns`, body);
}

const runPath = (dagId: string, id: string) => `/dags/${dagId}/dagRuns/${encodeURIComponent(id)}`;

export const run = (dagId: string, id: string) => ask<Run>("GET", runPath(dagId, id));

/** All runs of all DAGs. */
export const allRuns = async () =>
  (await ask<{ dag_runs: Run[] }>("GET", "/dags/~/dagRuns?limit=100")).dag_runs;

export const tasks = async (dagId: string, id: string) =>
  (await ask<{ task_instances: TaskInstance[] }>("GET", `${runPath(dagId, id)}/taskInstances`))
    .task_instances;

/** The task of a run that has one only. */
export async function onlyTask(dagId: string, id: string): Promise<TaskInstance> {
  const [task, ...others] = await tasks(dagId, id);
  if (task === undefined || others.length > 0)
    throw new Error(`Run ${id} of ${dagId} has not exactly one task`);
  return task;
}

/** Waits until the single task of a run works. */
export function started(dagId: string, id: string, seconds = 120): Promise<TaskInstance> {
  return until(`the start of run ${id} of ${dagId}`, seconds, async () => {
    const task = await onlyTask(dagId, id);
    return task.start_date === null ? undefined : task;
  });
}

/** Waits for a run's end, whatever that is. */
export function ended(dagId: string, id: string, seconds = 900): Promise<Run> {
  return until(`the end of run ${id} of ${dagId}`, seconds, async () => {
    const current = await run(dagId, id);
    return current.state === "success" || current.state === "failed" ? current : undefined;
  });
}

/** Waits for a run's success. @throws with the log of the task that failed. */
export async function succeeded(dagId: string, id: string, seconds?: number): Promise<Run> {
  const finished = await ended(dagId, id, seconds);
  if (finished.state === "success") return finished;
  throw new Error(`Run ${id} of ${dagId} has failed:\n${(await failureLogs(dagId, id)).join("\n")}`);
}

/** Starts a run and waits for its success. */
export async function runToSuccess(dagId: string, start: Trigger, seconds?: number): Promise<Run> {
  await trigger(dagId, start);
  return succeeded(dagId, start.id, seconds);
}

/** What the latest try of a task wrote, a line each. */
export async function taskLog(task: TaskInstance): Promise<string[]> {
  const { dag_id, dag_run_id, task_id, try_number, map_index } = task;
  const path = `${runPath(dag_id, dag_run_id)}/taskInstances/${task_id}/logs/${try_number}?map_index=${map_index}`;
  const { content } = await ask<{ content: ({ event?: string; reason?: string } | string)[] }>(
    "GET",
    `${path}&full_content=true`,
  );
  return content.map((line) =>
    typeof line === "string"
      ? line
      : [line.event, line.reason].filter((part) => part !== undefined).join(" "),
  );
}

/** The end of the log of each task of a run that has failed. */
export async function failureLogs(dagId: string, id: string, lines = 40): Promise<string[]> {
  const failed = (await tasks(dagId, id)).filter(
    ({ state }) => state === "failed" || state === "up_for_retry",
  );
  const logs = await Promise.all(
    failed.map(async (task) => [
      `── task ${task.task_id} of ${dagId}, run ${id}, try ${task.try_number}`,
      ...(await taskLog(task).catch((error: unknown) => [String(error)])).slice(-lines),
    ]),
  );
  return logs.flat();
}

/** What a task handed on. */
export async function xcom<T>(dagId: string, id: string, task: string, key = "return_value"): Promise<T> {
  const path = `${runPath(dagId, id)}/taskInstances/${task}/xcomEntries/${key}`;
  return (await ask<{ value: T }>("GET", path)).value;
}

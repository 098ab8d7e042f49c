import { setTimeout as sleep } from "node:timers/promises";

export type RunState = "queued" | "running" | "success" | "failed";

export interface DagRun {
  dag_run_id: string;
  state: RunState;
}

export interface TaskInstance {
  task_id: string;
  /** Null before the scheduler has looked at it. */
  state: string | null;
  try_number: number;
  /** -1 for a task that is not one of several mapped ones. */
  map_index: number;
  /** Where it runs or ran: name of the scheduler's instance. Empty before it has started. */
  hostname: string;
}

/** Airflow answered, but not as hoped. */
export class AirflowError extends Error {
  override readonly name = "AirflowError";

  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

interface LogLine {
  event?: string;
  level?: string;
  timestamp?: string;
}

/** Airflow's REST interface, as far as pipelines are started and watched with it. */
export class AirflowClient {
  private constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly signal: AbortSignal,
  ) {}

  static async login(
    url: string,
    username: string,
    password: string,
    signal: AbortSignal,
  ): Promise<AirflowClient> {
    const body = JSON.stringify({ username, password });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${url}/auth/token`, { method: "POST", headers, body, signal });
    if (!response.ok) {
      throw new AirflowError(`Airflow refused user ${username}: HTTP ${response.status}`, response.status);
    }
    const { access_token } = (await response.json()) as { access_token: string };
    return new AirflowClient(url, access_token, signal);
  }

  /** Waits until Airflow knows the DAG: a new file is seen when its folder is next looked through. */
  async awaitDag(dag: string, patienceSeconds = 180): Promise<void> {
    const until = Date.now() + patienceSeconds * 1000;
    for (;;) {
      try {
        await this.ask("GET", `/dags/${dag}`);
        return;
      } catch (error) {
        const absent = error instanceof AirflowError && error.status === 404;
        if (!absent || Date.now() > until) throw error;
      }
      await sleep(1000, undefined, { signal: this.signal });
    }
  }

  async unpause(dag: string): Promise<void> {
    await this.ask("PATCH", `/dags/${dag}?update_mask=is_paused`, { is_paused: false });
  }

  async run(dag: string, id: string): Promise<DagRun | undefined> {
    try {
      return (await this.ask("GET", `/dags/${dag}/dagRuns/${encodeURIComponent(id)}`)) as DagRun;
    } catch (error) {
      if (error instanceof AirflowError && error.status === 404) return undefined;
      throw error;
    }
  }

  async latestRun(dag: string): Promise<DagRun | undefined> {
    const answer = await this.ask("GET", `/dags/${dag}/dagRuns?order_by=-run_after&limit=1`);
    return (answer as { dag_runs: DagRun[] }).dag_runs[0];
  }

  /** @param logicalDate ISO time that the run stands for; none if absent. */
  async trigger(
    dag: string,
    id: string,
    conf: Readonly<Record<string, unknown>>,
    logicalDate: string | null = null,
  ): Promise<void> {
    await this.ask("POST", `/dags/${dag}/dagRuns`, { dag_run_id: id, logical_date: logicalDate, conf });
  }

  /** Lets a run that has ended do all of its work again. */
  async repeat(dag: string, id: string): Promise<void> {
    await this.ask("POST", `/dags/${dag}/dagRuns/${encodeURIComponent(id)}/clear`, { dry_run: false });
  }

  async tasks(dag: string, id: string): Promise<TaskInstance[]> {
    const answer = await this.ask("GET", `/dags/${dag}/dagRuns/${encodeURIComponent(id)}/taskInstances`);
    return (answer as { task_instances: TaskInstance[] }).task_instances;
  }

  /** What a task has handed on. */
  async result(dag: string, id: string, task: string): Promise<unknown> {
    const run = `/dags/${dag}/dagRuns/${encodeURIComponent(id)}`;
    const answer = await this.ask("GET", `${run}/taskInstances/${task}/xcomEntries/return_value`);
    return (answer as { value: unknown }).value;
  }

  /** The last lines that a try of a task wrote. */
  async logTail(dag: string, id: string, task: TaskInstance, lines: number): Promise<string[]> {
    const run = `/dags/${dag}/dagRuns/${encodeURIComponent(id)}`;
    const query = `map_index=${task.map_index}&full_content=true`;
    const answer = await this.ask(
      "GET",
      `${run}/taskInstances/${task.task_id}/logs/${task.try_number}?${query}`,
    );
    const { content } = answer as { content: (LogLine | string)[] };
    return content
      .map((line) => (typeof line === "string" ? line : (line.event ?? "")))
      .flatMap((text) => text.split("\n"))
      .filter((text) => text.trim() !== "")
      .slice(-lines);
  }

  private async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.url}/api/v2${path}`, {
      method,
      headers: {
        accept: "application/json",
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: this.signal,
    });
    const text = await response.text();
    if (!response.ok) {
      throw new AirflowError(
        `Airflow answered ${method} ${path} with HTTP ${response.status}: ${text.slice(0, 400)}`,
        response.status,
      );
    }
    return text === "" ? undefined : JSON.parse(text);
  }
}

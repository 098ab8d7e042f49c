import { setTimeout as sleep } from "node:timers/promises";
import { AirflowClient } from "../commands/airflow-client";
import { awaitTables } from "../commands/pipelines";
import type { Reporter } from "../toolchain/index";
import { type OwnStack, sparkHistoryPort } from "./own-stack";

/** One run of a pipeline, seconds since 1970. */
export interface Times {
  source: string;
  state: string;
  asked: number;
  started: number;
  ended: number;
}

/** Starts pipelines of a stack as people do, and tells when each has ended. */
export class PipelineRuns {
  private turn = 0;

  constructor(
    private readonly own: OwnStack,
    private readonly signal: AbortSignal,
  ) {}

  login(): Promise<AirflowClient> {
    const { airflowUrl, airflowUser, airflowPassword } = this.own.outputs;
    return AirflowClient.login(airflowUrl, airflowUser, airflowPassword, this.signal);
  }

  /** Waits for the tables and the pipelines of some sources, and switches these on. */
  async ready(sources: readonly string[], reporter: Reporter): Promise<void> {
    const airflow = await this.login();
    await awaitTables(airflow, reporter, this.signal);
    for (const source of sources) {
      const dag = `etl_spark_${source}_daily`;
      await airflow.awaitDag(dag);
      await airflow.unpause(dag);
    }
  }

  /** Starts a run for a day of each source, all at the same time, and waits for their ends. */
  async run(day: string, names: readonly string[]): Promise<Times[]> {
    const airflow = await this.login();
    const id = `bench-${++this.turn}-${Date.now()}`;
    const dagOf = (source: string) => `etl_spark_${source}_daily`;
    const asked = Date.now() / 1000;
    // A run that is asked for ingests the day of its logical date; the fraction keeps two runs of a day apart.
    const logicalDate = `${day}T01:00:00.${String(this.turn).padStart(3, "0")}Z`;
    for (const source of names) await airflow.trigger(dagOf(source), id, {}, logicalDate);
    for (;;) {
      const rows = await this.own.sql(
        "airflow",
        `SELECT dag_id, state, extract(epoch FROM start_date), extract(epoch FROM end_date) FROM task_instance
         WHERE run_id = '${id}' AND state IN ('success', 'failed')`,
      );
      if (rows.length === names.length) {
        return rows.map(([dag = "", state = "", started, ended]) => ({
          source: dag.slice("etl_spark_".length, -"_daily".length),
          state,
          asked,
          started: Number(started),
          ended: Number(ended),
        }));
      }
      if (Date.now() / 1000 - asked > 1800) throw new Error(`Not all runs ${id} have ended in half an hour`);
      await sleep(300, undefined, { signal: this.signal });
    }
  }

  /** Seconds from the start to the end of the newest Spark application of a source's day. */
  async sparkSeconds(source: string, day: string, after: number): Promise<number> {
    interface Application {
      name: string;
      attempts: { startTimeEpoch: number; endTimeEpoch: number; completed: boolean }[];
    }
    const url = `http://localhost:${sparkHistoryPort}/api/v1/applications`;
    const until = Date.now() + 60_000;
    while (Date.now() < until) {
      const all = (await (await fetch(url, { signal: this.signal })).json()) as Application[];
      const [attempt] =
        all.find(
          ({ name, attempts: [only] }) =>
            name.includes(`${source} ${day}`) && only?.completed && only.startTimeEpoch > after * 1000,
        )?.attempts ?? [];
      if (attempt !== undefined) return (attempt.endTimeEpoch - attempt.startTimeEpoch) / 1000;
      await sleep(1000, undefined, { signal: this.signal });
    }
    throw new Error(`Spark's history has no application of ${source} ${day}`);
  }
}

import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { beforeAll, describe, expect, test } from "vitest";
import { ended, runToSuccess, trigger } from "./airflow";
import { asRoot, put } from "./object-store";
import { objectsOf } from "./sample-data";
import { stackName } from "./stack";
import { query } from "./trino";
import { until } from "./until";

/** An event of OpenLineage (https://openlineage.io/spec/2-0-2/OpenLineage.json), as far as it is looked at here. */
interface Event {
  eventType: "START" | "RUNNING" | "COMPLETE" | "ABORT" | "FAIL" | "OTHER";
  eventTime: string;
  producer: string;
  schemaURL: string;
  run: { runId: string; facets: { parent?: Parent; tags?: { tags: { key: string; value: string }[] } } };
  job: { namespace: string; name: string };
  inputs?: Dataset[];
  outputs?: Dataset[];
}

interface Parent {
  run: { runId: string };
  job: { namespace: string; name: string };
  root?: Omit<Parent, "root">;
}

interface Dataset {
  namespace: string;
  name: string;
  facets?: {
    schema?: { fields: { name: string; type?: string }[] };
    symlinks?: { identifiers: { name: string }[] };
  };
}

const daily = "etl_spark_media_daily";
const namespace = `lakestack-${stackName}`;
const [day, nextDay, emptyDay] = ["2018-05-09", "2018-05-10", "2017-02-01"];

/** All events that are in the bucket, oldest first. */
const allEvents = () =>
  asRoot(async (client) => {
    const found: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await client.send(new ListObjectsV2Command({ Bucket: "lineage", ContinuationToken }));
      for (const { Key } of page.Contents ?? []) {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: "lineage", Key }));
        found.push(...((await Body?.transformToString()) ?? "").split("\n").filter(Boolean));
      }
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    return found.map((line) => JSON.parse(line) as Event);
  });

/** What the tag of a name says of an event's run. */
const tag = ({ run }: Event, name: string) => run.facets.tags?.tags.find(({ key }) => key === name)?.value;

/** Events of the Spark jobs of a run of Airflow. */
const ofSpark = (events: Event[], id: string) => events.filter((event) => tag(event, "run") === id);

/** What Airflow itself tells of a run of the task. */
const ofTask = (events: Event[], { run }: Parent) => events.filter((event) => event.run.runId === run.runId);

/** The run of Airflow that a Spark job's events name as theirs. */
function parentOf(events: Event[]): Parent {
  const parents = events.map(({ run }) => run.facets.parent);
  const ofApplication = parents.find((parent) => parent?.job.name === `${daily}.ingest`);
  if (ofApplication === undefined) throw new Error(`No event names its task: ${JSON.stringify(parents)}`);
  return ofApplication;
}

/** Waits for what Airflow tells after a task has ended. */
const untilTold = (id: string, eventType: Event["eventType"]) =>
  until(`the ${eventType} of run ${id} in the bucket of lineage`, 60, async () => {
    const events = await allEvents();
    const ofJob = ofSpark(events, id);
    if (ofJob.length === 0) return undefined;
    const told = ofTask(events, parentOf(ofJob));
    return told.some((event) => event.eventType === eventType) ? { ofJob, told } : undefined;
  });

/** Ingests a day of which the table has no row yet. */
async function ingest(date: string): Promise<string> {
  const id = `lineage-${date}`;
  const folder = `/Media/${date.replaceAll("-", "/")}/`;
  await query(`DELETE FROM iceberg.newtral.media WHERE source_file_name LIKE '%${folder}%'`);
  await put(objectsOf("Media", date));
  await runToSuccess(daily, { id, logicalDate: `${date}T01:00:07Z` });
  return id;
}

describe("a run that has read a day", () => {
  let ofJob: Event[];
  let told: Event[];

  beforeAll(async () => {
    ({ ofJob, told } = await untilTold(await ingest(day), "COMPLETE"));
  });

  test("is told by Airflow, from its start to its end", () => {
    expect(told.map(({ eventType }) => eventType)).toEqual(["START", "COMPLETE"]);
    for (const { job, schemaURL } of told) {
      expect(job).toMatchObject({ namespace, name: `${daily}.ingest` });
      expect(schemaURL).toContain("openlineage.io/spec/");
    }
  });

  test("is told by Spark, with the source's files, the table and its columns", () => {
    const complete = new Set(
      ofJob.filter(({ eventType }) => eventType === "COMPLETE").map(({ run }) => run.runId),
    );
    // A run's events add up, and its last one need not repeat the others.
    const ofComplete = ofJob.filter(({ run }) => complete.has(run.runId));
    const inputs = ofComplete.flatMap((event) => event.inputs ?? []);
    const read = inputs
      .filter(({ namespace }) => ["s3a://source", "s3://source"].includes(namespace))
      .map(({ name }) => name);
    expect(read, JSON.stringify(inputs)).toContainEqual(expect.stringMatching(/^\/?Media/));
    const outputs = ofComplete.flatMap((event) => event.outputs ?? []);
    const table = outputs.find(({ name, facets }) =>
      [name, ...(facets?.symlinks?.identifiers ?? []).map((each) => each.name)].some((each) =>
        each.endsWith("newtral.media"),
      ),
    );
    const columns = table?.facets?.schema?.fields.map(({ name }) => name);
    expect(columns, JSON.stringify(outputs)).toEqual(
      expect.arrayContaining(["id", "title", "created_at_etl", "source_file_name"]),
    );
  });

  test("is one story: each of Spark's events leads to the task and to the run of the DAG", () => {
    const parent = parentOf(ofJob);
    expect(parent.root?.job).toEqual({ namespace, name: daily });
    for (const event of ofJob) {
      expect(event.job.namespace).toBe(namespace);
      expect(event.run.facets.parent?.root?.run.runId).toBe(parent.root?.run.runId);
      expect([tag(event, "source"), tag(event, "start"), tag(event, "end")]).toEqual(["media", day, nextDay]);
    }
  });
});

test("the next job of a kept driver is told as its own", async () => {
  const { ofJob } = await untilTold(await ingest(nextDay), "COMPLETE");
  expect(new Set(ofJob.map((event) => tag(event, "start")))).toEqual(new Set([nextDay]));
  const outputs = ofJob.flatMap((event) => event.outputs ?? []);
  expect(outputs.length).toBeGreaterThan(0);
});

test("a run that has failed is told as such", async () => {
  const id = `lineage-${emptyDay}`;
  await trigger(daily, { id, logicalDate: `${emptyDay}T01:00:07Z` });
  expect((await ended(daily, id)).state).toBe("failed");
  const { told } = await untilTold(id, "FAIL");
  expect(told.map(({ eventType }) => eventType)).toEqual(["START", "FAIL"]);
});

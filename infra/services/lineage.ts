import * as pulumi from "@pulumi/pulumi";
import type { RenderedFile } from "../workload";
import { secretsFolder } from "./airflow-settings";
import type { ObjectStorage, StoreKeys } from "./object-storage";

/** Where OpenLineage's events go: into a bucket, or to a receiver such as Marquez. */
export type LineageTarget = { objectStore: ObjectStorage } | { url: string };

const keysFile = `${secretsFolder}/lineage-keys.json`;

/**
 * Settings of Airflow's OpenLineage provider, for the process that runs tasks. Spark's events are sent by the tasks, to
 * the same place.
 *
 * @param namespace of all jobs of the stack in the events.
 */
export function lineageEnvironment(
  target: LineageTarget,
  namespace: string,
): Record<string, pulumi.Input<string>> {
  return {
    AIRFLOW__OPENLINEAGE__NAMESPACE: namespace,
    // The text of our own functions says nothing about data.
    AIRFLOW__OPENLINEAGE__DISABLE_SOURCE_CODE: "true",
    AIRFLOW__OPENLINEAGE__TRANSPORT: pulumi.jsonStringify(
      "url" in target ? httpTransport(target.url) : bucketTransport(target.objectStore),
    ),
  };
}

/** The keys of the user who may add to the bucket; none where the platform gives the pods an identity. */
export function lineageFiles(target: LineageTarget): RenderedFile[] {
  const keys = "url" in target ? undefined : target.objectStore.keys("lineage");
  return keys === undefined ? [] : [{ path: keysFile, content: renderKeys(keys) }];
}

const renderKeys = ({ user, key }: StoreKeys) => pulumi.jsonStringify({ user, key });

/** A receiver that does not answer may not hold up a task for long. */
const httpTransport = (url: string) => ({
  type: "http",
  url: url.endsWith("/") ? url : `${url}/`,
  timeout: 3,
  retry: { total: 1 },
});

/** Our own: scheduler/config/lakestack_lineage.py. */
function bucketTransport(store: ObjectStorage) {
  return {
    type: "lakestack_lineage.BucketTransport",
    bucket: store.buckets.lineage,
    region: store.region,
    path_style: store.pathStyle,
    ...(store.endpoint === undefined ? {} : { endpoint: store.endpoint }),
    ...(store.keys("lineage") === undefined ? {} : { keys_file: keysFile }),
  };
}

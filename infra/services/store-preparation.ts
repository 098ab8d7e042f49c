import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { contentsTask } from "../connections";
import type { Deployment, TaskRunner } from "../platform";
import { Bucket, identitiesArchive, StoreIdentities } from "./object-store-contents";
import type { Inputs, StoreConnection, StoreIdentity } from "./object-store-contents";

/** What an object store has to hold before anybody uses it. */
export interface StoreContents extends Inputs<StoreConnection> {
  buckets: { bucket: string; folders?: string[]; keepDays?: number }[];
  identities: Inputs<StoreIdentity>[];
}

/** Makes a store's contents, and says what is there when they are. */
export type ContentsMaker = (
  contents: StoreContents,
  parent: pulumi.Resource,
  store: Deployment,
) => pulumi.Resource[];

/**
 * Made from the machine that runs Pulumi. They go with the store's volume, so nothing has to be deleted one by one.
 *
 * @param endpoint where this machine reaches the store.
 */
export function contentsFromHere(endpoint: string): ContentsMaker {
  return ({ buckets, identities, ...inside }, parent, store) => {
    const connection = { ...inside, endpoint };
    const options = { parent, dependsOn: store.ready, retainOnDelete: true };
    const made = buckets.map((bucket) => new Bucket(bucket.bucket, { ...connection, ...bucket }, options));
    return [
      ...made,
      new StoreIdentities(
        "identities",
        { ...connection, identities },
        { ...options, dependsOn: [...store.ready, ...made] },
      ),
    ];
  };
}

const accessFile = "/run/secrets/object-store-access";
const archiveFile = "/run/secrets/object-store-identities";
const rulesFolder = "/etc/lakestack/lifecycle";
const scriptFile = "/opt/lakestack/object-store-contents";

/**
 * Made by a step beside the store, where this machine can't reach it.
 *
 * @param image any with a shell, curl and base64: MinIO's own has them.
 */
export function contentsByTask(runner: TaskRunner, image: pulumi.Input<string>): ContentsMaker {
  return (contents, parent, store) => {
    const { endpoint, region, accessKey, secretKey } = contents;
    const archive = pulumi
      .all(contents.identities)
      .apply(async (identities) => Buffer.from(await identitiesArchive(identities)).toString("base64"));
    const buckets = contents.buckets.map(({ bucket }) => bucket);
    const rules = contents.buckets.flatMap(({ bucket, keepDays }) =>
      keepDays === undefined ? [] : [{ bucket, content: renderLifecycle(keepDays) }],
    );
    const folders = contents.buckets.flatMap(({ bucket, folders = [] }) =>
      folders.map((each) => `${bucket}/${each}`),
    );
    return runner.run(
      {
        name: contentsTask,
        image,
        command: ["/bin/sh", scriptFile],
        environment: {
          ENDPOINT: endpoint,
          BUCKETS: buckets.join(" "),
          FOLDERS: folders.join(" "),
          RULES: rules.map(({ bucket, content }) => `${bucket}:${md5(content)}`).join(" "),
          ACCESS: accessFile,
          IDENTITIES: archiveFile,
        },
        files: [
          { path: scriptFile, content: readFileSync("infra/services/object-store-contents.sh", "utf8") },
          { path: accessFile, content: pulumi.all([accessKey, secretKey, region]).apply(renderAccess) },
          { path: archiveFile, content: archive },
          ...rules.map(({ bucket, content }) => ({ path: `${rulesFolder}/${bucket}.xml`, content })),
        ],
        resources: { memoryMiB: 64 },
      },
      parent,
      [store],
    ).ready;
  };
}

/** Options of curl that must not be among its arguments, where every process sees them. */
export function renderAccess([user, password, region]: [string, string, string]): string {
  return [`user = "${user}:${password}"`, `aws-sigv4 = "aws:amz:${region}:s3"`, ""].join("\n");
}

/** Has objects go after some days (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html). */
export const renderLifecycle = (days: number) =>
  "<LifecycleConfiguration><Rule><ID>expire</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>" +
  `<Expiration><Days>${days}</Days></Expiration></Rule></LifecycleConfiguration>`;

/** By which the store checks a rule that it is given: its bytes as the shell's printf takes them. In base64 it looks like a key. */
const md5 = (content: string) =>
  [...createHash("md5").update(content).digest()]
    .map((byte) => `\\0${byte.toString(8).padStart(3, "0")}`)
    .join("");

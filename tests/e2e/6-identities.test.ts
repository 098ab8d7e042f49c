import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BucketUse, bucketPurposes, objectStoreAccess, type StoreUser } from "../../infra/access";
import { importIdentities } from "../../infra/services/object-store-contents";
import { keptSecrets, outputs } from "./lakestack";
import { asRoot, asUser, region } from "./object-store";

const key = "tests/6-identities";
const keys = {} as Record<StoreUser, string>;

beforeAll(async () => {
  const secrets = await keptSecrets();
  for (const user of users) keys[user] = secrets[`${user}ObjectStoreKey`];
  for (const Bucket of bucketPurposes) {
    await asRoot((client) => client.send(new PutObjectCommand({ Bucket, Key: key, Body: "there" })));
  }
});

afterAll(async () => {
  for (const Bucket of bucketPurposes) {
    for (const Key of [key, `${key}-new`]) {
      await asRoot((client) => client.send(new DeleteObjectCommand({ Bucket, Key })));
    }
  }
});

/** "done", or the code with which the store refuses. */
async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (error instanceof S3ServiceException) return error.name;
    throw error;
  }
}

const users = Object.keys(objectStoreAccess) as StoreUser[];

describe.each(users)("the identity %s", (user) => {
  test.each(bucketPurposes)("may do in the bucket %s what is declared, and nothing else", async (Bucket) => {
    const use = objectStoreAccess[user].find(({ bucket }) => bucket === Bucket)?.use;
    const given = (...uses: (BucketUse | undefined)[]) => (uses.includes(use) ? "done" : "AccessDenied");
    const reads = given("read", "write");
    const found = await asUser(user, keys[user], async (client) => ({
      list: await outcome(client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }))),
      get: await outcome(client.send(new GetObjectCommand({ Bucket, Key: key }))),
      put: await outcome(client.send(new PutObjectCommand({ Bucket, Key: `${key}-new`, Body: "new" }))),
      delete: await outcome(client.send(new DeleteObjectCommand({ Bucket, Key: `${key}-new` }))),
      publish: await outcome(
        client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(everybodyReads(Bucket)) })),
      ),
    }));
    expect(found).toEqual({
      list: reads,
      get: reads,
      put: given("write", "add"),
      delete: given("write"),
      publish: "AccessDenied",
    });
  });

  test("makes no bucket and no users", async () => {
    const made = asUser(user, keys[user], (client) =>
      outcome(client.send(new CreateBucketCommand({ Bucket: `made-by-${user}` }))),
    );
    expect(await made).toBe("AccessDenied");
    const connection = { endpoint: outputs.objectStoreUrl, region, accessKey: user, secretKey: keys[user] };
    await expect(importIdentities({ ...connection, identities: [] })).rejects.toThrow(/403.*AccessDenied/s);
  });

  test("is refused with a wrong key", async () => {
    const listed = asUser(user, "not-the-key", (client) =>
      outcome(client.send(new ListObjectsV2Command({ Bucket: "source" }))),
    );
    expect(await listed).toBe("SignatureDoesNotMatch");
  });
});

const everybodyReads = (bucket: string) => ({
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Principal: { AWS: ["*"] },
      Action: ["s3:GetObject"],
      Resource: [`arn:aws:s3:::${bucket}/*`],
    },
  ],
});

test.each(bucketPurposes)("who says no name reads nothing of %s", async (bucket) => {
  const { status } = await fetch(`${outputs.objectStoreUrl}/${bucket}/${key}`);
  expect(status).toBe(403);
});

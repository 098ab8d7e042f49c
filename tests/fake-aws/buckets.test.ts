import {
  GetObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sampleFolders, sampleObjects, upload } from "../../commands/sample-data";
import { bucketFiles } from "../../commands/source-files";
import { makeBucket } from "../../infra/services/object-store-contents";
import { terminalReporter } from "../../toolchain/progress";
import { element, FakeAws, type Keys, region } from "./fake-aws";
import { prefix } from "./traces";

let aws: FakeAws;

beforeAll(async () => {
  // Few, so that whoever does not turn the page misses names.
  aws = await FakeAws.start(`${prefix}-buckets`, { pageSize: 7 });
});

afterAll(() => aws.remove());

function connection({ accessKeyId, secretAccessKey }: Keys = aws.keys) {
  return { endpoint: aws.endpoint, region, accessKey: accessKeyId, secretKey: secretAccessKey };
}

async function names(): Promise<string[]> {
  const client = aws.s3();
  const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
  client.destroy();
  return Buckets.map(({ Name }) => Name ?? "").sort();
}

describe("a bucket of the program's, on an S3 that is not MinIO", () => {
  test("is made with its folders; made again, it keeps what is in it", async () => {
    const inputs = { ...connection(), bucket: "made", folders: ["spark-events/"] };
    await makeBucket(inputs);
    const client = aws.s3();
    await client.send(new PutObjectCommand({ Bucket: "made", Key: "kept", Body: "content" }));
    await makeBucket(inputs);
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: "made" }));
    expect(Contents.map(({ Key, Size }) => [Key, Size])).toEqual([
      ["kept", 7],
      ["spark-events/", 0],
    ]);
    client.destroy();
  });

  test("is made again where S3 does not mind, too: in its first region", async () => {
    await makeBucket({ ...connection(), region: "us-east-1", bucket: "first-region" });
    await makeBucket({ ...connection(), region: "us-east-1", bucket: "first-region" });
    expect(await names()).toContain("first-region");
  });

  // Of the rules for names, moto keeps those of length.
  test.each(["no", "a-name-of-64-letters-".padEnd(64, "x")])(
    "is not made under the name %s, which S3 refuses",
    async (bucket) => {
      await expect(makeBucket({ ...connection(), bucket })).rejects.toThrow(/bucket is not valid/i);
      expect(await names()).not.toContain(bucket);
    },
  );

  test("is not taken for ours if somebody else has it", async () => {
    const others = "arn:aws:iam::210987654321:role/other";
    const taken = await aws.call("sts", { Action: "AssumeRole", RoleArn: others, RoleSessionName: "other" });
    const keys = {
      accessKeyId: element(taken, "AccessKeyId"),
      secretAccessKey: element(taken, "SecretAccessKey"),
      sessionToken: element(taken, "SessionToken"),
    };
    await makeBucket({ ...connection(keys), bucket: "taken" });
    await expect(makeBucket({ ...connection(), bucket: "taken" })).rejects.toMatchObject({
      name: "BucketAlreadyExists",
    });
  });
});

describe("sample data", () => {
  const quiet = terminalReporter({ write: () => true });
  const [media] = sampleFolders;

  test("is put once; what is there stays, what was changed is put again", async () => {
    if (media === undefined) throw new Error("There is no sample data");
    await makeBucket({ ...connection(), bucket: "samples" });
    const objects = await sampleObjects(media, "few");
    const { accessKeyId: user, secretAccessKey: password } = aws.keys;
    const put = async () => {
      const store = { endpoint: aws.endpoint, user, password, bucket: "samples" };
      const how = { reporter: quiet, title: "samples", signal: new AbortController().signal };
      return (await upload(objects, store, how)).map(({ key }) => key);
    };
    expect(objects.length).toBeGreaterThan(7);
    expect(await put()).toEqual(objects.map(({ key }) => key));
    expect(await put()).toEqual([]);

    const last = objects.at(-1)?.key ?? "";
    const client = aws.s3();
    await client.send(new PutObjectCommand({ Bucket: "samples", Key: last, Body: "something else" }));
    expect(await put()).toEqual([last]);
    const { Body } = await client.send(new GetObjectCommand({ Bucket: "samples", Key: last }));
    expect(await Body?.transformToString()).not.toBe("something else");
    client.destroy();
  });

  test("is found in the bucket, page by page, by the command that drafts a source", async () => {
    if (media === undefined) throw new Error("There is no sample data");
    vi.stubEnv("AWS_ACCESS_KEY_ID", aws.keys.accessKeyId);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", aws.keys.secretAccessKey);
    const found = await bucketFiles("samples", "Media/", {
      endpoint: aws.endpoint,
      region,
      anonymous: false,
    });
    const objects = await sampleObjects(media, "few");
    expect(found.names).toEqual(objects.map(({ key }) => key));
    const first = await found.read(found.names[0] ?? "");
    expect(first.toString().split("\n")[0]).toMatch(/^\{.*\}$/);
    vi.unstubAllEnvs();
  });

  test("is not found in a bucket that is not there: the message names it", async () => {
    const access = { endpoint: aws.endpoint, region, anonymous: true };
    await expect(bucketFiles("nowhere", "", access)).rejects.toThrow("The bucket nowhere can't be listed");
  });
});

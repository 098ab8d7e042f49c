import { beforeAll, describe, expect, it } from "vitest";
import { bucketPurposes } from "../../infra/access";
import { fileKey } from "../../infra/platforms/kubernetes/files";
import { sourcesFile } from "../../infra/services/airflow-settings";
import type { Graph } from "../aws/graph";
import { readPolicy } from "../aws/iam";
import { mixedDoors, prodGraph } from "../aws/stack";
import { keyArn, types } from "../aws/types";

let graph: Graph;
let open: Graph;

beforeAll(async () => {
  graph = await prodGraph();
  open = await prodGraph(mixedDoors);
});

const inputs = (type: string, name: string) => graph.one(type, name).inputs;

describe("the stack on AWS: storage", () => {
  it("has a bucket for tables, one for the source, one for event logs, one for lineage, one for the audit log, and one for access logs", () => {
    expect(
      graph
        .ofType(types.bucket)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["access-logs", "audit", "events", "lineage", "source", "warehouse"]);
  });

  it("is read by the pipelines where it is: sources of the stack's own bucket name the account's", () => {
    const files = graph
      .ofType("kubernetes:core/v1:Secret")
      .map(({ inputs: { stringData } }) => stringData as Record<string, string> | undefined)
      .flatMap((data) => data?.[fileKey(sourcesFile)] ?? []);
    expect(files.length).toBeGreaterThan(0);
    for (const content of files) {
      const buckets = (JSON.parse(content) as { bucket: string }[]).map(({ bucket }) => bucket);
      const own = ["source", "audit"].map((name) => inputs(types.bucket, name)["bucket"]);
      expect(new Set(buckets)).toEqual(new Set(own));
    }
  });

  it("blocks all public access to every bucket", () => {
    for (const { name } of graph.ofType(types.bucket)) {
      expect(inputs("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", name), name).toMatchObject({
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      });
    }
  });

  it("encrypts with the stack's key, except where S3 itself writes, which it can't do with one", () => {
    const algorithm = (name: string) =>
      inputs("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", name)[
        "rules"
      ];
    for (const name of bucketPurposes) {
      expect(algorithm(name), name).toMatchObject([
        { applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: keyArn("data") } },
      ]);
    }
    expect(algorithm("access-logs")).toMatchObject([
      { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } },
    ]);
  });

  it("refuses calls without TLS", () => {
    for (const { name } of graph.ofType(types.bucket)) {
      const { Statement } = readPolicy(String(inputs("aws:s3/bucketPolicy:BucketPolicy", name)["policy"]));
      expect(Statement[0], name).toMatchObject({
        Effect: "Deny",
        Principal: "*",
        Action: ["s3:*"],
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      });
    }
  });

  it("removes uploads that were never finished, and old event logs and access logs", () => {
    const rules = (name: string) =>
      inputs("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", name)["rules"] as {
        abortIncompleteMultipartUpload?: { daysAfterInitiation: number };
        expiration?: { days: number };
      }[];
    for (const { name } of graph.ofType(types.bucket)) {
      expect(rules(name)[0]?.abortIncompleteMultipartUpload, name).toEqual({ daysAfterInitiation: 7 });
    }
    expect(rules("events")[1]?.expiration).toEqual({ days: 90 });
    expect(rules("access-logs")[1]?.expiration).toEqual({ days: 90 });
    // Nothing may ever make tables or sources expire.
    expect(
      rules("warehouse")
        .concat(rules("source"))
        .some(({ expiration }) => expiration !== undefined),
    ).toBe(false);
  });
});

describe("the stack on AWS: database", () => {
  it("is encrypted, private, in two zones, backed up and protected", () => {
    expect(inputs(types.database, "database")).toMatchObject({
      storageEncrypted: true,
      kmsKeyId: keyArn("data"),
      publiclyAccessible: false,
      multiAz: true,
      backupRetentionPeriod: 14,
      deletionProtection: true,
      skipFinalSnapshot: false,
      deleteAutomatedBackups: false,
    });
  });

  it("has a master password that AWS makes, keeps encrypted and changes", () => {
    const database = inputs(types.database, "database");
    expect(database).toMatchObject({ manageMasterUserPassword: true, masterUserSecretKmsKeyId: "data" });
    expect(database["password"]).toBeUndefined();
  });

  it("refuses connections without TLS", () => {
    expect(inputs("aws:rds/parameterGroup:ParameterGroup", "database")["parameters"]).toContainEqual({
      name: "rds.force_ssl",
      value: "1",
    });
  });

  it("lets in the nodes of the cluster and nobody else", () => {
    const rules = graph
      .ofType(types.ingress)
      .filter(({ inputs: rule }) => rule["securityGroupId"] === "database-id");
    expect(rules).toHaveLength(1);
    expect(rules[0]?.inputs).toMatchObject({
      referencedSecurityGroupId: "sg-cluster",
      fromPort: 5432,
      toPort: 5432,
    });
  });
});

describe("the stack on AWS: deleting", () => {
  const dataNames = (each: Graph) =>
    each.resources
      .filter(({ type, protect }) => protect && type.startsWith("aws:"))
      .map(({ type, name }) => `${type.split(":").at(-1) ?? ""} ${name}`)
      .sort();

  it("is refused for what holds data, and for nothing that has to be replaced now and then", () => {
    expect(dataNames(graph)).toEqual([
      "Bucket access-logs",
      "Bucket audit",
      "Bucket events",
      "Bucket lineage",
      "Bucket source",
      "Bucket warehouse",
      "Cluster cluster",
      "Instance database",
      "Key cluster",
      "Key data",
      "Key logs",
    ]);
  });

  it("leaves data in the account when it is taken out of the program", () => {
    for (const { type, name, retainOnDelete } of graph.resources.filter(({ protect }) => protect)) {
      if (type !== types.cluster) expect(retainOnDelete, name).toBe(true);
    }
  });

  it("takes everything in a throw-away stack, by one switch", async () => {
    const ephemeral = await prodGraph({ awsEphemeral: "true" });
    expect(dataNames(ephemeral)).toEqual([]);
    expect(ephemeral.resources.some(({ retainOnDelete }) => retainOnDelete)).toBe(false);
    expect(ephemeral.one(types.database, "database").inputs).toMatchObject({
      deletionProtection: false,
      skipFinalSnapshot: true,
    });
    expect(ephemeral.one(types.bucket, "warehouse").inputs["forceDestroy"]).toBe(true);
    expect(ephemeral.one(types.cluster, "cluster").inputs["deletionProtection"]).toBe(false);
  });

  it("removes pods before nodes, drivers and roles, and load balancers before the network", () => {
    const pod = graph.one(types.deployment, "trino");
    for (const earlier of [
      graph.one(types.nodes, "services"),
      graph.one(types.nodes, "workers"),
      graph.one(types.addon, "aws-ebs-csi-driver"),
      graph.one(types.addon, "vpc-cni"),
      graph.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", "catalog"),
    ]) {
      expect(graph.waitsFor(pod, earlier), earlier.name).toBe(true);
      expect(graph.waitsFor(earlier, pod), earlier.name).toBe(false);
    }
    const balancer = open.one(types.balancer, "trino");
    expect(open.waitsFor(balancer, open.one("aws:ec2/subnet:Subnet", "public-1"))).toBe(true);
    expect(
      open.waitsFor(
        open.one("aws:autoscaling/attachment:Attachment", "trino"),
        open.one(types.nodes, "services"),
      ),
    ).toBe(true);
  });
});

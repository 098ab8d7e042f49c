import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { objectStoreAccess, storeActions, type StoreUser } from "../../infra/access";
import { Graph } from "../aws/graph";
import { allows, type Policy, readPolicy, type Request } from "../aws/iam";
import { prodGraph } from "../aws/stack";

const account = "123456789012";
const bucket = (place: string) => `arn:aws:s3:::lakestack-prod-${place}-${account}`;
const object = (place: string) => `${bucket(place)}/some/object`;
const key = (name: string) => `arn:aws:kms:eu-west-1:${account}:key/${name}`;
const role = (name: string) => `arn:aws:iam::${account}:role/lakestack-prod-${name}`;
const byS3 = { "kms:ViaService": "s3.eu-west-1.amazonaws.com" };

let graph: Graph;

beforeAll(async () => {
  graph = await prodGraph();
});

/** All that a role's own policies say. */
function policiesOf(name: string): Policy[] {
  const policies = graph
    .ofType("aws:iam/rolePolicy:RolePolicy")
    .filter(({ inputs }) => inputs["role"] === `lakestack-prod-${name}`)
    .map(({ inputs }) => readPolicy(String(inputs["policy"])));
  if (policies.length === 0) throw new Error(`Role ${name} has no policies`);
  return policies;
}

function trustOf(name: string): Policy[] {
  return [readPolicy(String(graph.one("aws:iam/role:Role", name).inputs["assumeRolePolicy"]))];
}

type Row = [action: string, resource: string, context?: Record<string, string>];

/** What each service's role must be able to do, and what it must not. */
const table: Record<string, { must: Row[]; mustNot: Row[] }> = {
  catalog: {
    must: [
      ["s3:GetObject", object("warehouse")],
      ["s3:PutObject", object("warehouse")],
      ["s3:DeleteObject", object("warehouse")],
      ["s3:ListBucket", bucket("warehouse")],
      ["kms:Decrypt", key("data"), byS3],
      ["kms:GenerateDataKey", key("data"), byS3],
      ["sts:AssumeRole", role("catalog-lending")],
    ],
    mustNot: [
      ["s3:GetObject", object("source")],
      ["s3:ListBucket", bucket("source")],
      ["s3:PutObject", object("events")],
      ["s3:DeleteBucket", bucket("warehouse")],
      ["s3:PutBucketPolicy", bucket("warehouse")],
      ["s3:DeleteObjectVersion", object("warehouse")],
      ["kms:Decrypt", key("data")],
      ["kms:Decrypt", key("data"), { "kms:ViaService": "rds.eu-west-1.amazonaws.com" }],
      ["kms:Decrypt", key("cluster"), byS3],
      ["sts:AssumeRole", role("spark")],
      ["iam:PassRole", role("catalog-lending")],
    ],
  },
  "catalog-lending": {
    must: [
      ["s3:GetObject", object("warehouse")],
      ["s3:PutObject", object("warehouse")],
      ["s3:AbortMultipartUpload", object("warehouse")],
      ["kms:GenerateDataKey", key("data"), byS3],
    ],
    mustNot: [
      ["s3:GetObject", object("source")],
      ["s3:PutObject", object("events")],
      ["sts:AssumeRole", role("catalog")],
      ["sts:AssumeRole", role("catalog-lending")],
    ],
  },
  spark: {
    must: [
      ["s3:GetObject", object("source")],
      ["s3:ListBucket", bucket("source")],
      ["s3:PutObject", object("events")],
      ["s3:DeleteObject", object("events")],
      ["kms:Decrypt", key("data"), byS3],
      ["kms:GenerateDataKey", key("data"), byS3],
    ],
    mustNot: [
      ["s3:PutObject", object("source")],
      ["s3:DeleteObject", object("source")],
      // Tables only with keys that the catalog lends.
      ["s3:GetObject", object("warehouse")],
      ["s3:ListBucket", bucket("warehouse")],
      ["s3:PutObject", object("warehouse")],
      ["s3:GetObject", object("access-logs")],
      ["s3:PutObject", object("lineage")],
      ["sts:AssumeRole", role("catalog-lending")],
      ["secretsmanager:GetSecretValue", `arn:aws:secretsmanager:eu-west-1:${account}:secret:master`],
    ],
  },
  // Reads the logs of jobs, and removes old ones.
  "spark-history": {
    must: [
      ["s3:GetObject", object("events")],
      ["s3:ListBucket", bucket("events")],
      ["s3:DeleteObject", object("events")],
      ["kms:Decrypt", key("data"), byS3],
    ],
    mustNot: [
      ["s3:GetObject", object("source")],
      ["s3:GetObject", object("lineage")],
      ["s3:GetObject", object("audit")],
      ["s3:GetObject", object("warehouse")],
    ],
  },
  // Its tasks tell of lineage, and beside them are Spark's drivers.
  scheduler: {
    must: [
      ["s3:GetObject", object("source")],
      ["s3:PutObject", object("events")],
      ["s3:PutObject", object("lineage")],
      ["s3:GetObject", object("lineage")],
    ],
    mustNot: [
      ["s3:DeleteObject", object("lineage")],
      ["s3:PutObject", object("source")],
      ["s3:GetObject", object("warehouse")],
      ["s3:PutObject", object("warehouse")],
      ["sts:AssumeRole", role("catalog-lending")],
    ],
  },
  // Keeps the audit log, and can neither read nor change what it has kept.
  audit: {
    must: [
      ["s3:PutObject", object("audit")],
      ["kms:GenerateDataKey", key("data"), byS3],
    ],
    mustNot: [
      ["s3:GetObject", object("audit")],
      ["s3:DeleteObject", object("audit")],
      ["s3:PutObject", object("warehouse")],
      ["s3:PutObject", object("source")],
    ],
  },
  "cluster-autoscaler": {
    must: [
      ["autoscaling:DescribeAutoScalingGroups", "*"],
      ["ec2:DescribeInstanceTypes", "*"],
      [
        "autoscaling:SetDesiredCapacity",
        `arn:aws:autoscaling:eu-west-1:${account}:autoScalingGroup:a:autoScalingGroupName/b`,
        { "aws:ResourceTag/k8s.io/cluster-autoscaler/lakestack-prod": "owned" },
      ],
    ],
    mustNot: [
      [
        "autoscaling:SetDesiredCapacity",
        `arn:aws:autoscaling:eu-west-1:${account}:autoScalingGroup:a:autoScalingGroupName/b`,
      ],
      ["autoscaling:UpdateAutoScalingGroup", "*"],
      ["ec2:RunInstances", "*"],
      ["iam:PassRole", role("nodes")],
    ],
  },
  "flow-log": {
    must: [
      [
        "logs:PutLogEvents",
        `arn:aws:logs:eu-west-1:${account}:log-group:/aws/vpc/lakestack-prod/refused:log-stream:a`,
      ],
    ],
    mustNot: [
      [
        "logs:PutLogEvents",
        `arn:aws:logs:eu-west-1:${account}:log-group:/aws/eks/lakestack-prod/cluster:log-stream:a`,
      ],
      ["logs:DeleteLogGroup", `arn:aws:logs:eu-west-1:${account}:log-group:/aws/vpc/lakestack-prod/refused`],
    ],
  },
  "aws-ebs-csi-driver": {
    must: [
      ["kms:GenerateDataKeyWithoutPlaintext", key("cluster")],
      ["kms:CreateGrant", key("cluster"), { "kms:GrantIsForAWSResource": "true" }],
    ],
    mustNot: [
      ["kms:CreateGrant", key("cluster")],
      ["kms:Decrypt", key("data")],
      ["kms:ScheduleKeyDeletion", key("cluster")],
    ],
  },
};

describe("the rights of the roles", () => {
  const request = ([action, resource, context]: Row): Request => ({ action, resource, context });

  it.each(Object.keys(table))("of %s are what its work needs", (name) => {
    for (const row of table[name]?.must ?? [])
      expect(allows(policiesOf(name), request(row)), `${row[0]} ${row[1]}`).toBe(true);
  });

  it.each(Object.keys(table))("of %s end there", (name) => {
    for (const row of table[name]?.mustNot ?? [])
      expect(allows(policiesOf(name), request(row)), `${row[0]} ${row[1]}`).toBe(false);
  });

  it("are in this table for every role that has policies of the program's own", () => {
    const owners = graph.ofType("aws:iam/rolePolicy:RolePolicy").map(({ inputs }) => String(inputs["role"]));
    expect([...new Set(owners)].sort()).toEqual(
      Object.keys(table)
        .map((name) => `lakestack-prod-${name}`)
        .sort(),
    );
  });

  it("come from the declaration that MinIO's users come from", () => {
    const roles: Record<StoreUser, string> = {
      catalog: "catalog",
      spark: "spark",
      lineage: "scheduler",
      audit: "audit",
    };
    for (const user of Object.keys(roles) as StoreUser[]) {
      for (const { bucket: place, use } of objectStoreAccess[user]) {
        const actions = storeActions(use);
        for (const action of actions.bucket) {
          expect(
            allows(policiesOf(roles[user]), { action, resource: bucket(place) }),
            `${user} ${action} ${place}`,
          ).toBe(true);
        }
        for (const action of actions.objects) {
          expect(
            allows(policiesOf(roles[user]), { action, resource: object(place) }),
            `${user} ${action} ${place}`,
          ).toBe(true);
        }
      }
    }
  });
});

describe("who may take a role", () => {
  const may = (name: string, principal: string) =>
    allows(trustOf(name), { action: "sts:AssumeRole", resource: "*", principal });

  it("is the cluster's pods for services, and nobody else", () => {
    for (const name of ["catalog", "spark", "spark-history", "scheduler", "audit", "cluster-autoscaler"]) {
      expect(may(name, "Service:pods.eks.amazonaws.com"), name).toBe(true);
      expect(may(name, "Service:ec2.amazonaws.com"), name).toBe(false);
      expect(may(name, `AWS:arn:aws:iam::${account}:root`), name).toBe(false);
    }
  });

  it("is the catalog alone for the role whose keys it lends", () => {
    expect(may("catalog-lending", `AWS:${role("catalog")}`)).toBe(true);
    expect(may("catalog-lending", `AWS:${role("spark")}`)).toBe(false);
    expect(may("catalog-lending", "Service:pods.eks.amazonaws.com")).toBe(false);
    expect(graph.one("aws:iam/role:Role", "catalog-lending").inputs["maxSessionDuration"]).toBe(3600);
  });

  it("is told to the cluster for each workload by name; Trino and Airflow's other processes have no role", () => {
    const associations = graph
      .ofType("aws:eks/podIdentityAssociation:PodIdentityAssociation")
      .filter(({ inputs }) => inputs["namespace"] === "lakestack")
      .map(({ inputs }) => [inputs["serviceAccount"], inputs["roleArn"]]);
    expect(Object.fromEntries(associations)).toEqual({
      catalog: role("catalog"),
      "spark-worker": role("spark"),
      "spark-history": role("spark-history"),
      "airflow-scheduler": role("scheduler"),
      audit: role("audit"),
    });
    const accounts = graph.ofType("kubernetes:core/v1:ServiceAccount").map(({ inputs }) => {
      const { name, namespace } = inputs["metadata"] as { name: string; namespace: string };
      return `${namespace}/${name}`;
    });
    expect(accounts).toEqual(
      expect.arrayContaining(associations.map(([account]) => `lakestack/${String(account)}`)),
    );
  });
});

describe("the keys", () => {
  const keyPolicy = (name: string) => [
    readPolicy(String(graph.one("aws:kms/key:Key", name).inputs["policy"])),
  ];
  const may = (name: string, principal: string, action: string, context: Record<string, string> = {}) =>
    allows(keyPolicy(name), { action, resource: key(name), principal, context });
  const autoscaling = `AWS:arn:aws:iam::${account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`;

  it("are the account's to give rights on, or nobody could ever change them", () => {
    for (const name of ["data", "cluster", "logs"]) {
      expect(may(name, `AWS:arn:aws:iam::${account}:root`, "kms:PutKeyPolicy"), name).toBe(true);
      expect(may(name, "AWS:arn:aws:iam::999999999999:root", "kms:Decrypt"), name).toBe(false);
    }
  });

  it("open the nodes' disks to autoscaling by way of EC2 in this account, and by no other way", () => {
    const disks = { "kms:CallerAccount": account, "kms:ViaService": "ec2.eu-west-1.amazonaws.com" };
    expect(may("cluster", autoscaling, "kms:CreateGrant", disks)).toBe(true);
    expect(may("cluster", autoscaling, "kms:Decrypt")).toBe(false);
    expect(
      may("cluster", autoscaling, "kms:Decrypt", { ...disks, "kms:CallerAccount": "999999999999" }),
    ).toBe(false);
    expect(may("data", autoscaling, "kms:Decrypt", disks)).toBe(false);
  });

  it("encrypt logs for this account's log groups only", () => {
    const group = (id: string) => ({
      "kms:EncryptionContext:aws:logs:arn": `arn:aws:logs:eu-west-1:${id}:log-group:/aws/eks/lakestack-prod/cluster`,
    });
    const logs = "Service:logs.eu-west-1.amazonaws.com";
    expect(may("logs", logs, "kms:GenerateDataKey", group(account))).toBe(true);
    expect(may("logs", logs, "kms:GenerateDataKey", group("999999999999"))).toBe(false);
    expect(may("data", logs, "kms:GenerateDataKey", group(account))).toBe(false);
  });
});

describe("a source bucket in another account", () => {
  const foreignKey = "arn:aws:kms:us-east-1:999999999999:key/abc";
  const byItsS3 = { "kms:ViaService": "s3.us-east-1.amazonaws.com" };

  beforeAll(async () => {
    graph = await prodGraph({ awsSourceBucket: "acme-data", awsSourceKeyArn: foreignKey });
  });

  // Drivers list its objects and executors read them.
  it.each(["spark", "scheduler"])("is read by the role %s, with its key, and written by nobody", (name) => {
    expect(graph.ofType("aws:s3/bucket:Bucket").map((made) => made.name)).not.toContain("source");
    const may = (action: string, resource: string, context?: Record<string, string>) =>
      allows(policiesOf(name), { action, resource, context });
    expect(may("s3:GetObject", "arn:aws:s3:::acme-data/2018/a.json")).toBe(true);
    expect(may("s3:PutObject", "arn:aws:s3:::acme-data/2018/a.json")).toBe(false);
    expect(may("kms:Decrypt", foreignKey, byItsS3)).toBe(true);
    expect(may("kms:GenerateDataKey", foreignKey, byItsS3)).toBe(false);
    expect(may("s3:GetObject", "arn:aws:s3:::acme-data-2/2018/a.json")).toBe(false);
  });
});

describe("a bucket that a source names beside the stack's own", () => {
  it("is read by the two roles that read sources, and by no other", async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-rights-"));
    const sourcesFile = path.join(folder, "sources.yaml");
    const declared = { name: "events", bucket: "acme-events", prefix: "Events/", table: "lake.events" };
    const columns = { id: "varchar" };
    writeFileSync(sourcesFile, JSON.stringify({ sources: [{ ...declared, key: ["id"], columns }] }));
    graph = await prodGraph({ sourcesFile });
    rmSync(folder, { recursive: true });
    const may = (name: string, action: string, resource: string) =>
      allows(policiesOf(name), { action, resource });
    for (const name of ["spark", "scheduler", "spark-history", "catalog", "catalog-lending", "audit"]) {
      const reads = ["spark", "scheduler"].includes(name);
      expect(may(name, "s3:GetObject", "arn:aws:s3:::acme-events/2018/a.json"), name).toBe(reads);
      expect(may(name, "s3:ListBucket", "arn:aws:s3:::acme-events"), name).toBe(reads);
      expect(may(name, "s3:PutObject", "arn:aws:s3:::acme-events/2018/a.json"), name).toBe(false);
    }
  });
});

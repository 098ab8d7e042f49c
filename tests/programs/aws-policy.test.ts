import { beforeAll, describe, expect, it } from "vitest";
import { awsRules } from "../../policy/aws-rules";
import { stackRules } from "../../policy/stack-rules";
import type { Subject } from "../../policy/subject";
import type { Graph } from "../aws/graph";
import { prodGraph, publicDoors } from "../aws/stack";
import { verdict } from "../unit/verdict";

let graph: Graph;

beforeAll(async () => {
  graph = await prodGraph(publicDoors);
});

const subjects = (from: Graph): Subject[] =>
  from.resources.map(({ type, name, inputs, protect }) => ({ type, name, props: inputs, protect }));

/** The stack as it is, with some properties of one resource changed. */
function changed(type: string, name: string, props: Record<string, unknown>, protect?: boolean): Subject[] {
  const all = subjects(graph);
  if (!all.some((subject) => subject.type === type && subject.name === name))
    throw new Error(`No ${type} ${name}`);
  return all.map((subject) =>
    subject.type === type && subject.name === name
      ? { ...subject, props: { ...subject.props, ...props }, protect: protect ?? subject.protect }
      : subject,
  );
}

const allow = (statement: object) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Resource: ["arn:a"], ...statement }],
  });

const database = "aws:rds/instance:Instance";
const cluster = "aws:eks/cluster:Cluster";
const block = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock";
const template = "aws:ec2/launchTemplate:LaunchTemplate";
const ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const rolePolicy = "aws:iam/rolePolicy:RolePolicy";
const repository = "aws:ecr/repository:Repository";

/** Each breaks one rule. */
const counterExamples: [
  rule: string,
  subject: [type: string, name: string],
  props: Record<string, unknown>,
][] = [
  ["database-private", [database, "database"], { publiclyAccessible: true }],
  ["database-durable", [database, "database"], { multiAz: false }],
  ["database-durable", [database, "database"], { backupRetentionPeriod: 0 }],
  ["database-password", [database, "database"], { manageMasterUserPassword: undefined, password: "secret" }],
  ["encrypted", [database, "database"], { storageEncrypted: false }],
  ["encrypted", [database, "database"], { kmsKeyId: undefined }],
  ["encrypted", [cluster, "cluster"], { encryptionConfig: undefined }],
  ["encrypted", [template, "nodes"], { blockDeviceMappings: [] }],
  ["encrypted", [template, "nodes"], { blockDeviceMappings: [{ ebs: { encrypted: "false" } }] }],
  ["encrypted", ["aws:cloudwatch/logGroup:LogGroup", "application"], { kmsKeyId: undefined }],
  ["encrypted", [repository, "trino"], { encryptionConfigurations: [{ encryptionType: "AES256" }] }],
  ["encrypted", ["aws:sns/topic:Topic", "alarms"], { kmsMasterKeyId: undefined }],
  ["keys-rotate", ["aws:kms/key:Key", "data"], { enableKeyRotation: false }],
  ["no-open-door", [ingress, "database"], { cidrIpv4: "0.0.0.0/0" }],
  ["no-open-door", [ingress, "trino-1"], { cidrIpv6: "::/0" }],
  ["no-open-door", [cluster, "cluster"], { vpcConfig: { endpointPublicAccess: true } }],
  [
    "no-open-door",
    [cluster, "cluster"],
    { vpcConfig: { endpointPublicAccess: true, publicAccessCidrs: ["0.0.0.0/0"] } },
  ],
  [
    "no-open-door",
    ["aws:ec2/securityGroup:SecurityGroup", "database"],
    { ingress: [{ cidrBlocks: ["0.0.0.0/0"] }] },
  ],
  ["no-public-bucket", [block, "warehouse"], { restrictPublicBuckets: false }],
  [
    "no-public-bucket",
    ["aws:s3/bucketPolicy:BucketPolicy", "source"],
    { policy: allow({ Principal: "*", Action: "s3:GetObject" }) },
  ],
  [
    "no-public-bucket",
    ["aws:s3/bucketPolicy:BucketPolicy", "source"],
    { policy: allow({ Principal: { AWS: ["*"] }, Action: "s3:GetObject" }) },
  ],
  [
    "bucket-complete",
    ["aws:s3/bucketPolicy:BucketPolicy", "source"],
    { policy: allow({ Principal: { AWS: "arn:b" }, Action: "s3:GetObject" }) },
  ],
  ["no-public-bucket", ["aws:s3/bucket:Bucket", "source"], { acl: "public-read" }],
  ["bucket-complete", [block, "warehouse"], { bucket: "another" }],
  ["no-wildcard-rights", [rolePolicy, "spark"], { policy: allow({ Action: "*" }) }],
  ["no-wildcard-rights", [rolePolicy, "spark"], { policy: allow({ Action: ["s3:GetObject", "s3:*"] }) }],
  ["no-wildcard-rights", [rolePolicy, "spark"], { policy: allow({ Action: "s3:PutObject", Resource: "*" }) }],
  ["no-wildcard-rights", [rolePolicy, "spark"], { policy: allow({ NotAction: "iam:*" }) }],
  [
    "no-administrators",
    ["aws:iam/rolePolicyAttachment:RolePolicyAttachment", "vpc-cni"],
    { policyArn: "arn:aws:iam::aws:policy/AdministratorAccess" },
  ],
  [
    "no-node-keys-for-pods",
    [template, "nodes"],
    { metadataOptions: { httpTokens: "optional", httpPutResponseHopLimit: 1 } },
  ],
  [
    "no-node-keys-for-pods",
    [template, "nodes"],
    { metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 2 } },
  ],
  ["images-fixed", [repository, "trino"], { imageTagMutability: "MUTABLE" }],
  ["images-fixed", [repository, "trino"], { imageScanningConfiguration: { scanOnPush: false } }],
  ["logs-end", ["aws:cloudwatch/logGroup:LogGroup", "application"], { retentionInDays: 0 }],
  ["data-protected", [database, "database"], { deletionProtection: false }],
  ["data-protected", [database, "database"], { skipFinalSnapshot: true }],
  ["data-protected", [cluster, "cluster"], { deletionProtection: undefined }],
];

/** A database of the kind that the stack does not have. */
const aurora = {
  ...{ manageMasterUserPassword: true, backupRetentionPeriod: 7, storageEncrypted: true, kmsKeyId: "key" },
  ...{ deletionProtection: true, skipFinalSnapshot: false },
};
const auroraType = "aws:rds/cluster:Cluster";
const fileSystem = "aws:efs/fileSystem:FileSystem";
const bucketType = "aws:s3/bucketAcl:BucketAcl";

/** Of resources that the stack has none of: what a rule lets through, and what not. */
const others: [
  rule: string,
  type: string,
  passes: Record<string, unknown>,
  fails: Record<string, unknown>,
][] = [
  ["database-private", "aws:rds/clusterInstance:ClusterInstance", { publiclyAccessible: false }, {}],
  ["database-durable", auroraType, aurora, { ...aurora, backupRetentionPeriod: 1 }],
  ["database-password", auroraType, aurora, { ...aurora, masterPassword: "letmein" }],
  ["encrypted", auroraType, aurora, { ...aurora, storageEncrypted: false }],
  ["data-protected", auroraType, aurora, { ...aurora, deletionProtection: false }],
  ["data-protected", auroraType, aurora, { ...aurora, skipFinalSnapshot: true }],
  ["encrypted", fileSystem, { encrypted: true, kmsKeyId: "key" }, { encrypted: true }],
  ["encrypted", "aws:ebs/volume:Volume", { encrypted: true, kmsKeyId: "key" }, { kmsKeyId: "key" }],
  ["no-public-bucket", bucketType, { acl: "private" }, { acl: "public-read" }],
  [
    "no-open-door",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
    { type: "egress", cidrBlocks: ["0.0.0.0/0"] },
    { type: "ingress", cidrBlocks: ["0.0.0.0/0"] },
  ],
  [
    "no-wildcard-rights",
    "aws:iam/groupPolicy:GroupPolicy",
    { policy: allow({ Action: "s3:PutObject" }) },
    { policy: allow({ Action: "s3:PutObject", Resource: "arn:aws:s3:::*" }) },
  ],
  [
    "no-wildcard-rights",
    "aws:iam/role:Role",
    {},
    { inlinePolicies: [{ policy: allow({ Action: "iam:*" }) }] },
  ],
];

describe("the policy pack on AWS", () => {
  it("finds nothing wrong with the stack as it is, doors open", () => {
    expect(verdict(subjects(graph))).toEqual([]);
  });

  it.each(counterExamples)("refuses by %s: %j with %j", (rule, [type, name], props) => {
    const found = verdict(changed(type, name, props));
    expect(found.length).toBeGreaterThan(0);
    expect(
      found.filter((fault) => fault.startsWith(`${rule}: ${name}`) || rule === "bucket-complete"),
    ).not.toEqual([]);
  });

  it.each(others)("has the same for others by %s: %s", (rule, type, passes, fails) => {
    const found = (props: Record<string, unknown>) => verdict([{ type, name: "it", props, protect: true }]);
    expect(found(passes)).toEqual([]);
    expect(found(fails).join("\n")).toMatch(`${rule}: it: `);
    expect(found(fails).join("\n")).not.toContain("letmein");
  });

  it("has a counter-example for each of its rules", () => {
    const shown = new Set(counterExamples.map(([rule]) => rule));
    expect([...awsRules, ...stackRules].map(({ name }) => name).filter((name) => !shown.has(name))).toEqual(
      [],
    );
  });

  it("asks something of the stack as it is by each of its rules for AWS", () => {
    const there = new Set(graph.resources.map(({ type }) => type));
    const silent = awsRules.filter(({ types }) => !types.some((type) => there.has(type)));
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it("refuses a bucket with data that anybody may delete", () => {
    expect(verdict(changed("aws:s3/bucket:Bucket", "warehouse", {}, false))).toEqual([
      "data-protected: warehouse: is not protected",
    ]);
  });

  it("lets a throw-away stack be without protection, and nothing else", async () => {
    const ephemeral = subjects(await prodGraph({ awsEphemeral: "true" }));
    expect(verdict(ephemeral, { throwAway: true })).toEqual([]);
    expect(verdict(ephemeral).every((fault) => fault.startsWith("data-protected"))).toBe(true);
  });

  it("says nothing of what a preview can't know yet", () => {
    const notYet = {
      get storageEncrypted(): boolean {
        throw new Error("Boolean value at .storageEncrypted can't be known during preview");
      },
      kmsKeyId: "key",
    };
    const rule = awsRules.find(({ name }) => name === "encrypted");
    expect(rule?.check({ type: database, name: "database", props: notYet, protect: true }, {})).toEqual([]);
  });
});

import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import type { BucketPurpose } from "../access";
import { type ConfigFault, ConfigError, portKeys, Reader } from "../config";
import { architectures, overridden, preset, sizeNames } from "./sizes";
import type { Architecture, Sizes } from "./sizes";

const doorKinds = ["none", "internal", "public"] as const;
export type DoorKind = (typeof doorKinds)[number];

/** Days that CloudWatch can keep logs for, of those that make sense here. */
const retentions = [7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731];

/** The AWS part of a stack's configuration, checked. Meaning and defaults of every key: `Pulumi.yaml`. */
export interface AwsConfig {
  region: string;
  /** The only account to work on, if one is named. */
  accountId?: string;
  sizes: Sizes;
  architecture: Architecture;
  /** A throw-away stack: nothing is protected or retained. */
  ephemeral: boolean;
  kubernetesVersion: string;
  /** Address ranges that may reach the cluster's API from outside the network. */
  endpointAllowList: string[];
  /** Who administers the cluster beside its maker. */
  adminArns: string[];
  network: NetworkChoice;
  /** Existing buckets by name, in place of new ones. */
  existingBuckets: { [P in BucketPurpose]?: string };
  /** Key of the existing source bucket. */
  sourceKeyArn?: string;
  doors: DoorSettings;
  logRetentionDays: number;
  backupDays: number;
  alarmEmail?: string;
  autoscalerImage?: string;
}

/** A network to make, or one that is there. */
export type NetworkChoice =
  | { kind: "new"; cidr: string }
  | { kind: "existing"; vpcId: string; privateSubnetIds: string[]; publicSubnetIds: string[] };

export interface DoorSettings {
  trino: DoorKind;
  airflow: DoorKind;
  allowList: string[];
  zone?: { id: string; domain: string };
  /** Existing certificate, where there is no zone to prove a new one in. */
  certificateArn?: string;
}

/** Reads values that may be left empty, and lists. */
class AwsReader extends Reader {
  given(key: string, pattern: RegExp, expected: string): string | undefined {
    const value = this.text(key, new RegExp(`^$|${pattern.source}`), `${expected}, or nothing`);
    return value === "" ? undefined : value;
  }

  items(key: string, pattern: RegExp, expected: string): string[] {
    const items = this.text(key, /^/, "a list")
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
    for (const value of items.filter((item) => !pattern.test(item))) {
      this.faults.push({ key, value, expected: `${expected}, separated by commas` });
    }
    return items;
  }

  /** Address ranges; never the whole internet, which is no allow-list. */
  ranges(key: string): string[] {
    return this.items(
      key,
      /^(\d{1,3}\.){3}\d{1,3}\/([1-9]|[12]\d|3[0-2])$/,
      "address ranges such as 203.0.113.0/24 (and not 0.0.0.0/0)",
    );
  }
}

/**
 * Reads and checks the AWS settings at once.
 *
 * @throws ConfigError with every fault there is.
 */
export function readAwsConfig(config = new pulumi.Config("lakestack")): AwsConfig {
  const read = new AwsReader(config);
  const architecture = read.choice("awsArchitecture", architectures);
  const sizes = overridden(
    preset(read.choice("awsSize", sizeNames), architecture),
    config.get("awsOverrides") ?? "",
    (expected) => read.faults.push({ key: "awsOverrides", value: config.get("awsOverrides"), expected }),
  );
  const result: AwsConfig = {
    region: read.text("awsRegion", /^[a-z]{2}(-[a-z]+)+-\d$/, "a region such as eu-west-1"),
    accountId: read.given("awsAccountId", /^\d{12}$/, "an account's 12 digits"),
    sizes,
    architecture,
    ephemeral: read.boolean("awsEphemeral"),
    kubernetesVersion: read.text("awsKubernetesVersion", /^1\.\d\d$/, "a version such as 1.35"),
    endpointAllowList: read.ranges("awsEndpointAllowList"),
    adminArns: read.items(
      "awsAdminArns",
      /^arn:aws[\w-]*:iam::\d{12}:(role|user)\/\S+$/,
      "ARNs of roles or users",
    ),
    network: readNetwork(read),
    existingBuckets: {
      warehouse: bucketName(read, "awsWarehouseBucket"),
      source: bucketName(read, "awsSourceBucket"),
      events: bucketName(read, "awsEventsBucket"),
      lineage: bucketName(read, "awsLineageBucket"),
      audit: bucketName(read, "awsAuditBucket"),
    },
    sourceKeyArn: read.given("awsSourceKeyArn", /^arn:aws[\w-]*:kms:\S+$/, "the ARN of a KMS key"),
    doors: readDoors(read),
    logRetentionDays: read.integer("awsLogRetentionDays", 7, 731),
    backupDays: read.integer("awsBackupDays", 1, 35),
    alarmEmail: read.given("awsAlarmEmail", /^\S+@\S+\.\S+$/, "an e-mail address"),
    autoscalerImage: read.given(
      "awsAutoscalerImage",
      /^\S+@sha256:[0-9a-f]{64}$/,
      "an image's reference with its digest (…@sha256:…)",
    ),
  };
  if (!retentions.includes(result.logRetentionDays)) {
    const value = String(result.logRetentionDays);
    read.faults.push({ key: "awsLogRetentionDays", value, expected: `one of ${retentions.join(", ")}` });
  }
  if (result.sourceKeyArn !== undefined && result.existingBuckets.source === undefined) {
    read.faults.push({
      key: "awsSourceBucket",
      value: "",
      expected: "a bucket, since awsSourceKeyArn is its key",
    });
  }
  read.faults.push(...setElsewhere(config, Object.keys(sizes)));
  read.faults.push(...doorsWithoutPlace(result));
  if (read.faults.length > 0) throw new ConfigError(read.faults);
  return result;
}

const byCertificate = "awsCertificateArn, or awsZoneId, says which certificate the doors show";
const byBalancers = "doors are load balancers of AWS, and S3 has its own";
const byInstance = "databaseInstance of awsOverrides says this";
const ofDatabase = "the database is the stack's own RDS";
const byRegion = "the object store is S3 in awsRegion";

/** Settings of other platforms that AWS has no use for, and what says the same there. */
const insteadOf: Record<string, string> = {
  kubernetesContext: "the stack makes its own cluster",
  storageClass: "the stack makes its own class of volumes",
  imageRegistry: "images are in the account's own registry",
  keepVolumes: "awsEphemeral says this",
  trinoDoor: "awsTrinoDoor says this",
  airflowDoor: "awsAirflowDoor says this",
  trinoHosts: "awsDomain says this",
  airflowHost: "awsDomain says this",
  trinoSourceRanges: "awsDoorAllowList says this",
  trinoIssuer: byCertificate,
  trinoCertificateFile: byCertificate,
  trinoAuthorityFile: byCertificate,
  certificateIssuer: byCertificate,
  ingressTlsSecret: byCertificate,
  ingressClass: byBalancers,
  ingressNamespace: byBalancers,
  objectStoreDoor: byBalancers,
  objectStoreHost: byBalancers,
  objectStoreEndpoint: byRegion,
  objectStoreRegion: byRegion,
  objectStorePathStyle: byRegion,
  objectStoreSize: "S3 is as large as what it holds",
  objectStoreCores: byRegion,
  objectStoreMemory: byRegion,
  objectStoreConsole: byRegion,
  warehouseBucket: "awsWarehouseBucket says this",
  sourceBucket: "awsSourceBucket says this",
  eventsBucket: "awsEventsBucket says this",
  lineageBucket: "awsLineageBucket says this",
  auditBucket: "awsAuditBucket says this",
  databaseAddress: ofDatabase,
  databaseAdministrator: ofDatabase,
  databaseSize: "databaseDisk of awsOverrides says this",
  databaseCores: byInstance,
  databaseMemory: byInstance,
  publishCatalog: "the catalog has no door",
  trustedNetwork: "the doors have TLS",
  ...Object.fromEntries(portKeys.map((key) => [key, "doors are at 443, and ports those of a laptop"])),
};

/** What would be ignored, is refused: settings of other platforms, and numbers that a size says. */
function setElsewhere(config: pulumi.Config, sizeKeys: string[]): ConfigFault[] {
  const declared = (
    parse(readFileSync("Pulumi.yaml", "utf8")) as { config: Record<string, { default?: unknown }> }
  ).config;
  const bySize = sizeKeys.map((key) => [key, "awsSize and awsOverrides say this"] as const);
  return [...bySize, ...Object.entries(insteadOf)].flatMap(([key, instead]) => {
    const value = config.get(key);
    const usual = declared[key]?.default;
    if (declared[key] === undefined || value === undefined || value === String(usual)) return [];
    const expected = usual === "" ? "nothing" : String(usual);
    return [{ key, value, expected: `${expected}: on AWS, ${instead}` }];
  });
}

/** A public door stands in public subnets, and nobody but its owner knows those of an existing network. */
function doorsWithoutPlace({ doors, network }: AwsConfig): ConfigFault[] {
  const isPublic = [doors.trino, doors.airflow].includes("public");
  if (!isPublic || network.kind === "new" || network.publicSubnetIds.length >= 2) return [];
  const value = network.publicSubnetIds.join(",");
  const expected = "two public subnets or more of the existing network, for the public doors";
  return [{ key: "awsPublicSubnetIds", value, expected }];
}

function bucketName(read: AwsReader, key: string): string | undefined {
  return read.given(key, /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "a bucket's name");
}

function readNetwork(read: AwsReader): NetworkChoice {
  const cidr = read.text("awsVpcCidr", /^(\d{1,3}\.){2}0\.0\/16$/, "a range such as 10.64.0.0/16");
  const vpcId = read.given("awsVpcId", /^vpc-[0-9a-f]+$/, "a network's ID such as vpc-0abc");
  const subnet = /^subnet-[0-9a-f]+$/;
  const privateSubnetIds = read.items("awsPrivateSubnetIds", subnet, "IDs such as subnet-0abc");
  const publicSubnetIds = read.items("awsPublicSubnetIds", subnet, "IDs such as subnet-0abc");
  if (vpcId === undefined) return { kind: "new", cidr };
  if (privateSubnetIds.length < 3) {
    const value = privateSubnetIds.join(",");
    read.faults.push({
      key: "awsPrivateSubnetIds",
      value,
      expected: "three subnets or more of the existing network",
    });
  }
  return { kind: "existing", vpcId, privateSubnetIds, publicSubnetIds };
}

function readDoors(read: AwsReader): DoorSettings {
  const trino = read.choice("awsTrinoDoor", doorKinds);
  const airflow = read.choice("awsAirflowDoor", doorKinds);
  const allowList = read.ranges("awsDoorAllowList");
  const zoneId = read.given("awsZoneId", /^Z[0-9A-Z]+$/, "a zone's ID such as Z0123");
  const domain = read.given("awsDomain", /^([a-z0-9-]+\.)+[a-z]{2,}$/, "a domain such as data.example.org");
  const certificateArn = read.given(
    "awsCertificateArn",
    /^arn:aws[\w-]*:acm:\S+$/,
    "the ARN of an ACM certificate",
  );
  if ((trino === "public" || airflow === "public") && allowList.length === 0) {
    read.faults.push({
      key: "awsDoorAllowList",
      value: "",
      expected: "who may reach the public doors, as address ranges",
    });
  }
  if ((zoneId === undefined) !== (domain === undefined)) {
    const key = zoneId === undefined ? "awsZoneId" : "awsDomain";
    read.faults.push({ key, value: "", expected: "awsZoneId and awsDomain, both or neither" });
  }
  const open = [trino, airflow].some((kind) => kind !== "none");
  if (open && zoneId === undefined && certificateArn === undefined) {
    const expected = "a certificate for the doors, or awsZoneId and awsDomain to make one";
    read.faults.push({ key: "awsCertificateArn", value: "", expected });
  }
  return {
    trino,
    airflow,
    allowList,
    zone: zoneId === undefined || domain === undefined ? undefined : { id: zoneId, domain },
    certificateArn,
  };
}

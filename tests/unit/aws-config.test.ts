import { describe, expect, it } from "vitest";
import { readAwsConfig } from "../../infra/aws/config";
import { configure } from "../aws/graph";
import { faultsIn } from "./config-faults";

const faultsOf = (values: Record<string, string>) => faultsIn(() => readAwsConfig(configure(values)));

describe("the AWS settings", () => {
  it("are right as they are declared", () => {
    const config = readAwsConfig(configure());
    expect(config.network).toEqual({ kind: "new", cidr: "10.64.0.0/16" });
    expect(config.ephemeral).toBe(false);
    expect(config.endpointAllowList).toEqual([]);
    expect(config.doors).toMatchObject({ trino: "none", airflow: "none" });
  });

  it("report all faults at once", () => {
    const message = faultsOf({
      awsRegion: "Dublin",
      awsSize: "huge",
      awsBackupDays: "90",
      awsAccountId: "123",
    });
    expect(message).toContain("4 faults");
    expect(message).toContain('lakestack:awsRegion is "Dublin", expected a region such as eu-west-1');
    expect(message).toContain('lakestack:awsSize is "huge", expected one of small, medium, large');
  });

  it("refuse the whole internet as an allow-list", () => {
    expect(faultsOf({ awsEndpointAllowList: "10.0.0.0/8,0.0.0.0/0" })).toContain(
      'lakestack:awsEndpointAllowList is "0.0.0.0/0"',
    );
  });

  it("refuse a public door without a list of who may come", () => {
    const message = faultsOf({
      awsTrinoDoor: "public",
      awsCertificateArn: "arn:aws:acm:eu-west-1:1:certificate/a",
    });
    expect(message).toContain("expected who may reach the public doors");
  });

  it("refuse a door without a certificate or a zone to make one in", () => {
    expect(faultsOf({ awsAirflowDoor: "internal" })).toContain("awsCertificateArn");
    expect(faultsOf({ awsAirflowDoor: "internal", awsZoneId: "Z1" })).toContain("both or neither");
  });

  it("refuse an existing network with too few subnets", () => {
    const message = faultsOf({ awsVpcId: "vpc-1", awsPrivateSubnetIds: "subnet-1,subnet-2" });
    expect(message).toContain("expected three subnets or more");
  });

  it("refuse an autoscaler's image that a tag could change", () => {
    expect(faultsOf({ awsAutoscalerImage: "example/cluster-autoscaler:v1" })).toContain("with its digest");
  });

  it("refuse a number that the size sets, where it would be ignored", () => {
    expect(faultsOf({ trinoMemory: "8192" })).toContain(
      'lakestack:trinoMemory is "8192", expected 2048: on AWS, awsSize and awsOverrides say this',
    );
  });

  it.each([
    ["trinoDoor", "load-balancer", "none: on AWS, awsTrinoDoor says this"],
    ["sourceBucket", "acme-data", "source: on AWS, awsSourceBucket says this"],
    ["databaseAddress", "db.example.com:5432", "nothing: on AWS, the database is the stack's own RDS"],
    ["databaseAdministrator", "root", "postgres: on AWS, the database is the stack's own RDS"],
    ["databaseSize", "100", "10: on AWS, databaseDisk of awsOverrides says this"],
    ["objectStoreSize", "100", "50: on AWS, S3 is as large as what it holds"],
    ["trinoPort", "443", "8443: on AWS, doors are at 443, and ports those of a laptop"],
    ["sparkMasterPort", "5999", "5050: on AWS, doors are at 443, and ports those of a laptop"],
    ["publishCatalog", "true", "false: on AWS, the catalog has no door"],
    ["objectStorePathStyle", "false", "true: on AWS, the object store is S3 in awsRegion"],
    [
      "trinoAuthorityFile",
      "root.pem",
      "nothing: on AWS, awsCertificateArn, or awsZoneId, says which certificate the doors show",
    ],
    [
      "imageRegistry",
      "registry.example.com/lake",
      "nothing: on AWS, images are in the account's own registry",
    ],
  ])("refuse %s, which is another platform's", (key, value, expected) => {
    expect(faultsOf({ [key]: value })).toContain(`lakestack:${key} is "${value}", expected ${expected}`);
  });

  it("refuse a public door in an existing network whose public subnets are not told", () => {
    const network = { awsVpcId: "vpc-1", awsPrivateSubnetIds: "subnet-1,subnet-2,subnet-3" };
    const door = {
      awsTrinoDoor: "public",
      awsDoorAllowList: "203.0.113.0/24",
      awsCertificateArn: "arn:aws:acm:eu-west-1:1:certificate/a",
    };
    expect(faultsOf({ ...network, ...door })).toContain("expected two public subnets or more");
    const told = { ...network, ...door, awsPublicSubnetIds: "subnet-4,subnet-5" };
    expect(() => readAwsConfig(configure(told))).not.toThrow();
  });

  it("take each number of a size from an override", () => {
    const { sizes } = readAwsConfig(
      configure({ awsOverrides: '{"trinoWorkers": 2, "workerInstances": ["m7i.8xlarge"]}' }),
    );
    expect(sizes).toMatchObject({ trinoWorkers: 2, workerInstances: ["m7i.8xlarge"], natGateways: 1 });
  });

  it("say what is wrong with an override", () => {
    expect(faultsOf({ awsOverrides: "many" })).toContain("expected a JSON object such as");
    expect(faultsOf({ awsOverrides: '{"trinoWorker": 4}' })).toContain(
      'no "trinoWorker"; the keys are natGateways',
    );
    expect(faultsOf({ awsOverrides: '{"trinoWorkers": "4"}' })).toContain(
      '"trinoWorkers" to be a whole number above 0',
    );
    expect(faultsOf({ awsOverrides: '{"natGateways": 2}' })).toContain('"natGateways" to be 1 or 3');
    expect(faultsOf({ awsOverrides: '{"workerNodes": 9}' })).toContain('to be at most "workerNodesMost" (4)');
  });
});

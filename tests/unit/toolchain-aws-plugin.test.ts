import { describe, expect, it } from "vitest";
import { projectFolder } from "../../toolchain/index";
import { AwsPreviewProvider } from "../../toolchain/aws-plugin/provider";
import { type Subject, UNKNOWN } from "../../toolchain/plugin-protocol/provider";

const provider = new AwsPreviewProvider(projectFolder);
const nothing = () => undefined;
const subject = (type: string): Subject => ({
  type,
  name: "x",
  info: nothing,
  warn: nothing,
  status: nothing,
  timeout: 0,
});

/** What the stand-in has against the inputs of a resource. */
function faults(type: string, inputs: Record<string, unknown>): string[] {
  return provider.check(subject(type), {}, inputs).faults.map(({ path, reason }) => `${path} ${reason}`);
}

const bucket = "aws:s3/bucket:Bucket";
const template = "aws:ec2/launchTemplate:LaunchTemplate";
const subnet = "aws:ec2/subnet:Subnet";

describe("the stand-in for the aws plugin", () => {
  it("takes what the SDK declares", () => {
    expect(faults(bucket, { bucket: "a", forceDestroy: true, tags: { a: "b" } })).toEqual([]);
    expect(
      faults(template, { metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 } }),
    ).toEqual([]);
    expect(
      faults("aws:rds/instance:Instance", { instanceClass: "db.t4g.medium", storageType: "gp3" }),
    ).toEqual([]);
  });

  it("takes what isn't known yet, wherever it is", () => {
    expect(faults(subnet, { vpcId: UNKNOWN, tags: UNKNOWN, mapPublicIpOnLaunch: UNKNOWN })).toEqual([]);
  });

  it("refuses a name that is no input, at every depth, and shows those like it", () => {
    expect(faults(bucket, { bucketName: "a" })).toEqual([
      expect.stringMatching(/^bucketName is no input; there are bucket, .*bucketPrefix/),
    ]);
    expect(faults(template, { metadataOptions: { httpToken: "required" } })).toEqual([
      expect.stringMatching(/^metadataOptions\.httpToken is no input; there are .*httpTokens/),
    ]);
    expect(faults(template, { blockDeviceMappings: [{}, { ebs: { size: 3 } }] })[0]).toMatch(
      /^blockDeviceMappings\[1\]\.ebs\.size is no input/,
    );
  });

  it("refuses a value of another kind", () => {
    expect(faults(bucket, { forceDestroy: "yes" })).toEqual(["forceDestroy is a string, expected a boolean"]);
    expect(faults(bucket, { tags: ["a"] })).toEqual(["tags is a list, expected a map"]);
    expect(faults(bucket, { tags: { a: 1 } })).toEqual(['tags["a"] is a number, expected a string']);
    expect(
      faults("aws:eks/nodeGroup:NodeGroup", {
        clusterName: "a",
        nodeRoleArn: "b",
        scalingConfig: "c",
        subnetIds: "d",
      }),
    ).toEqual(["scalingConfig is a string, expected an object", "subnetIds is a string, expected a list"]);
  });

  it("refuses a resource that lacks what is required", () => {
    expect(faults(subnet, {})).toEqual(["vpcId is required and not set"]);
  });

  it("refuses a type that the SDK does not have", () => {
    expect(faults("aws:s3/buckett:Buckett", {})[0]).toContain(
      "is no resource type of the installed @pulumi/aws",
    );
  });

  it("answers look-ups from fixtures that are no account's, and refuses others by name", () => {
    expect(provider.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})).toMatchObject({
      accountId: "123456789012",
      id: "preview-without-an-account",
    });
    provider.configure({ region: "eu-west-1" });
    expect(provider.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {})["names"]).toEqual([
      "eu-west-1a",
      "eu-west-1b",
      "eu-west-1c",
    ]);
    expect(() => provider.invoke("aws:ec2/getAmi:getAmi", {})).toThrow(
      "The look-up aws:ec2/getAmi:getAmi has no answer",
    );
  });

  it("shows a preview the inputs, and as not known yet what AWS adds inside them", () => {
    const vpcConfig = { subnetIds: ["a"], endpointPublicAccess: false };
    const outputs = provider.previewCreate(subject("aws:eks/cluster:Cluster"), { name: "c", vpcConfig });
    expect(outputs["name"]).toBe("c");
    expect(outputs["vpcConfig"]).toMatchObject({
      ...vpcConfig,
      clusterSecurityGroupId: UNKNOWN,
      vpcId: UNKNOWN,
    });
    expect(outputs["endpoint"]).toBeUndefined();
  });

  it("creates, changes, reads and deletes nothing", async () => {
    const asked = subject(bucket);
    await expect(provider.create(asked)).rejects.toThrow(`can't create ${bucket} x`);
    await expect(provider.read(asked)).rejects.toThrow(`can't read ${bucket} x`);
    await expect(provider.update(asked)).rejects.toThrow(`can't change ${bucket} x`);
    await expect(provider.delete(asked)).rejects.toThrow(`can't delete ${bucket} x`);
  });
});

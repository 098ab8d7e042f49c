import { atLeast, expected, present, type Rule } from "./rule";
import { at, entries, property, type Subject, unknown } from "./subject";

const everywhere = new Set(["0.0.0.0/0", "::/0"]);

/** Rules for single resources of AWS. */
export const awsRules: Rule[] = [
  {
    name: "database-private",
    description: "A database is reached from inside the network only.",
    types: ["aws:rds/instance:Instance", "aws:rds/clusterInstance:ClusterInstance"],
    check: (subject) => expected(subject, { publiclyAccessible: false }),
  },
  {
    name: "database-durable",
    description: "A database stands in two zones and can be set back to any moment of the last week or more.",
    types: ["aws:rds/instance:Instance", "aws:rds/cluster:Cluster"],
    check: (subject) => [
      // A cluster's zones are those of its instances.
      ...(subject.type === "aws:rds/cluster:Cluster" ? [] : expected(subject, { multiAz: true })),
      ...atLeast(subject, "backupRetentionPeriod", 7),
    ],
  },
  {
    name: "database-password",
    description: "The master password is made, kept and changed by AWS: nobody chooses it.",
    types: ["aws:rds/instance:Instance", "aws:rds/cluster:Cluster"],
    check: (subject) => [
      ...expected(subject, { manageMasterUserPassword: true }),
      ...["password", "masterPassword"].flatMap((path) =>
        property(subject, path) === undefined ? [] : [`${path} is set, expected none`],
      ),
    ],
  },
  {
    name: "encrypted",
    description: "What is stored is encrypted with a key of the stack's own.",
    types: [
      "aws:rds/instance:Instance",
      "aws:rds/cluster:Cluster",
      "aws:eks/cluster:Cluster",
      "aws:ec2/launchTemplate:LaunchTemplate",
      "aws:cloudwatch/logGroup:LogGroup",
      "aws:ecr/repository:Repository",
      "aws:sns/topic:Topic",
      "aws:ebs/volume:Volume",
      "aws:efs/fileSystem:FileSystem",
    ],
    check: encryption,
  },
  {
    name: "keys-rotate",
    description: "A key's material changes every year.",
    types: ["aws:kms/key:Key"],
    check: (subject) => expected(subject, { enableKeyRotation: true }),
  },
  {
    name: "no-open-door",
    description: "No rule lets the whole internet in.",
    types: [
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
      "aws:ec2/securityGroupRule:SecurityGroupRule",
      "aws:ec2/securityGroup:SecurityGroup",
      "aws:eks/cluster:Cluster",
    ],
    check: openDoors,
  },
  {
    name: "no-public-bucket",
    description: "No list of rights makes a bucket public, and no block of public access has a gap.",
    types: [
      "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
      "aws:s3/bucketAcl:BucketAcl",
      "aws:s3/bucket:Bucket",
      "aws:s3/bucketPolicy:BucketPolicy",
    ],
    check: publicBucket,
  },
  {
    name: "no-wildcard-rights",
    description: "A role may do named things on named resources.",
    types: [
      ...["aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy", "aws:iam/userPolicy:UserPolicy"],
      ...["aws:iam/groupPolicy:GroupPolicy", "aws:iam/role:Role"],
    ],
    check: (subject) => [
      ...wildcards(property(subject, "policy")),
      ...entries(property(subject, "inlinePolicies")).flatMap((each) => wildcards(at(each, "policy"))),
    ],
  },
  {
    name: "no-administrators",
    description: "No role of the stack administers the account.",
    types: ["aws:iam/rolePolicyAttachment:RolePolicyAttachment"],
    check: (subject) => {
      const arn = property(subject, "policyArn");
      const all = /\/(AdministratorAccess|PowerUserAccess|IAMFullAccess|\w*FullAccess)$/;
      return typeof arn === "string" && all.test(arn)
        ? [`policyArn is ${arn}, expected a policy for one task`]
        : [];
    },
  },
  {
    name: "no-node-keys-for-pods",
    description: "Pods cannot ask the node's metadata service for the node's keys.",
    types: ["aws:ec2/launchTemplate:LaunchTemplate"],
    check: (subject) =>
      expected(subject, {
        "metadataOptions.httpTokens": "required",
        "metadataOptions.httpPutResponseHopLimit": 1,
      }),
  },
  {
    name: "images-fixed",
    description: "An image's tag always means the same image, and the image has been scanned.",
    types: ["aws:ecr/repository:Repository"],
    check: (subject) =>
      expected(subject, { imageTagMutability: "IMMUTABLE", "imageScanningConfiguration.scanOnPush": true }),
  },
  {
    name: "logs-end",
    description: "Logs are kept for a time that somebody chose.",
    types: ["aws:cloudwatch/logGroup:LogGroup"],
    check: (subject) => atLeast(subject, "retentionInDays", 1),
  },
];

function encryption(subject: Subject): string[] {
  switch (subject.type) {
    case "aws:rds/instance:Instance":
    case "aws:rds/cluster:Cluster":
      return expected(subject, { storageEncrypted: true, kmsKeyId: present });
    case "aws:eks/cluster:Cluster":
      return expected(subject, { "encryptionConfig.provider.keyArn": present });
    case "aws:ec2/launchTemplate:LaunchTemplate":
      return entries(property(subject, "blockDeviceMappings")).length === 0
        ? ["blockDeviceMappings is not set, expected encrypted disks"]
        : expected(subject, {
            "blockDeviceMappings.0.ebs.encrypted": "true",
            "blockDeviceMappings.0.ebs.kmsKeyId": present,
          });
    case "aws:cloudwatch/logGroup:LogGroup":
      return expected(subject, { kmsKeyId: present });
    case "aws:ecr/repository:Repository":
      return expected(subject, {
        "encryptionConfigurations.0.encryptionType": "KMS",
        "encryptionConfigurations.0.kmsKey": present,
      });
    case "aws:sns/topic:Topic":
      return expected(subject, { kmsMasterKeyId: present });
    default:
      return expected(subject, { encrypted: true, kmsKeyId: present });
  }
}

function openDoors(subject: Subject): string[] {
  const isOpen = (range: unknown) => typeof range === "string" && everywhere.has(range);
  const open = (path: string, range: unknown) =>
    isOpen(range) ? [`${path} is ${String(range)}, expected the ranges that need it`] : [];
  if (subject.type === "aws:eks/cluster:Cluster") {
    if (property(subject, "vpcConfig.endpointPublicAccess") !== true) return [];
    const ranges = property(subject, "vpcConfig.publicAccessCidrs");
    if (ranges === unknown) return [];
    return entries(ranges).length === 0
      ? ["vpcConfig.publicAccessCidrs is not set, which means everybody; expected an allow-list"]
      : entries(ranges).flatMap((range) => open("vpcConfig.publicAccessCidrs", range));
  }
  if (subject.type === "aws:ec2/securityGroup:SecurityGroup") {
    return entries(property(subject, "ingress")).flatMap((rule) =>
      [...entries(at(rule, "cidrBlocks")), ...entries(at(rule, "ipv6CidrBlocks"))].flatMap((range) =>
        open("ingress", range),
      ),
    );
  }
  if (property(subject, "type") === "egress") return [];
  return ["cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks"].flatMap((path) =>
    entries(property(subject, path)).flatMap((range) => open(path, range)),
  );
}

function publicBucket(subject: Subject): string[] {
  switch (subject.type) {
    case "aws:s3/bucket:Bucket":
    case "aws:s3/bucketAcl:BucketAcl": {
      const acl = property(subject, "acl");
      return typeof acl === "string" && acl !== "private" ? [`acl is ${acl}, expected private`] : [];
    }
    case "aws:s3/bucketPolicy:BucketPolicy":
      return statements(property(subject, "policy"))
        .filter((each) => each["Effect"] === "Allow" && isEverybody(each["Principal"]))
        .map(() => "policy allows something to everybody, expected named principals");
    default:
      return expected(subject, {
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      });
  }
}

/** Actions that only look, and that AWS gives no single resources for. */
const looks = /^[\w-]+:(Describe|List|Get)\w*$/;

/** All there is, of everything or of one service. */
const everyResource = /^(\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:\*)$/;

function wildcards(document: unknown): string[] {
  return statements(document)
    .filter((each) => each["Effect"] === "Allow")
    .flatMap((each) => {
      const actions = entries(each["Action"]).map(String);
      const resources = entries(each["Resource"]).map(String);
      const wide = actions.filter((action) => action === "*" || /^[\w-]+:\*$/.test(action));
      const onAll = resources.some((name) => everyResource.test(name))
        ? actions.filter((action) => !looks.test(action))
        : [];
      return [
        ...wide.map((action) => `policy allows ${action}, expected named actions`),
        ...onAll.map((action) => `policy allows ${action} on every resource, expected named ones`),
        ...(each["NotAction"] === undefined && each["NotResource"] === undefined
          ? []
          : ["policy allows all but some (NotAction, NotResource), expected what is allowed"]),
      ];
    });
}

export function statements(document: unknown): Record<string, unknown>[] {
  if (typeof document !== "string") return [];
  const { Statement } = JSON.parse(document) as {
    Statement: Record<string, unknown> | Record<string, unknown>[];
  };
  return Array.isArray(Statement) ? Statement : [Statement];
}

export function isEverybody(principal: unknown): boolean {
  return (
    principal === "*" ||
    (typeof principal === "object" && principal !== null && entries(at(principal, "AWS")).includes("*"))
  );
}

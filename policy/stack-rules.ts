import { isEverybody, statements } from "./aws-rules";
import type { Options } from "./rule";
import { property, type Subject, unknown } from "./subject";

/** What the resources of a stack must be like together. */
export interface StackRule {
  name: string;
  description: string;
  /** The option that it heeds. Default: none. */
  option?: keyof Options;
  check: (subjects: Subject[], options: Options) => { subject: Subject; message: string }[];
}

/** Resources whose loss is the loss of data. */
const dataTypes = [
  ...["aws:s3/bucket:Bucket", "aws:rds/instance:Instance", "aws:rds/cluster:Cluster"],
  ...["aws:efs/fileSystem:FileSystem", "aws:kms/key:Key"],
];
const databases = ["aws:rds/instance:Instance", "aws:rds/cluster:Cluster"];

export const stackRules: StackRule[] = [
  {
    name: "bucket-complete",
    description:
      "Each bucket has its block of public access, its encryption and its refusal of calls without TLS.",
    check: (subjects) =>
      ofType(subjects, "aws:s3/bucket:Bucket").flatMap((bucket) =>
        [
          lacks(
            bucket,
            subjects,
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            "block of public access",
          ),
          lacks(
            bucket,
            subjects,
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "encryption",
          ),
          lacks(
            bucket,
            subjects,
            "aws:s3/bucketPolicy:BucketPolicy",
            "refusal of calls without TLS",
            refusesPlain,
          ),
        ].flatMap((message) => (message === undefined ? [] : [{ subject: bucket, message }])),
      ),
  },
  {
    name: "data-protected",
    description: "What holds data can't be deleted by mistake, except in a throw-away stack.",
    option: "throwAway",
    check: (subjects, { throwAway }) =>
      throwAway === true
        ? []
        : subjects.flatMap((subject) => {
            const faults: string[] = [];
            if (dataTypes.includes(subject.type) && !subject.protect) faults.push("is not protected");
            if (
              [...databases, "aws:eks/cluster:Cluster"].includes(subject.type) &&
              ![true, unknown].includes(property(subject, "deletionProtection") as boolean)
            ) {
              faults.push("deletionProtection is not set, expected true");
            }
            if (databases.includes(subject.type) && property(subject, "skipFinalSnapshot") === true) {
              faults.push("skipFinalSnapshot is true, expected a last snapshot");
            }
            return faults.map((message) => ({ subject, message }));
          }),
  },
];

const ofType = (subjects: Subject[], type: string) => subjects.filter((subject) => subject.type === type);

/** What a bucket lacks. Its settings are resources of their own, which name it, or are named like it while its name isn't known. */
function lacks(
  bucket: Subject,
  subjects: Subject[],
  type: string,
  what: string,
  isGood: (settings: Subject) => boolean = () => true,
): string | undefined {
  const id = property(bucket, "bucket");
  const own = ofType(subjects, type).filter((settings) => {
    const names = property(settings, "bucket");
    return names === unknown || id === unknown ? settings.name === bucket.name : names === id;
  });
  return own.some(isGood) ? undefined : `has no ${what}`;
}

function refusesPlain(policy: Subject): boolean {
  const document = property(policy, "policy");
  if (document === unknown) return true;
  return statements(document).some((statement) => {
    const condition = JSON.stringify(statement["Condition"] ?? {});
    return (
      statement["Effect"] === "Deny" &&
      isEverybody(statement["Principal"]) &&
      condition.includes('"aws:SecureTransport":"false"')
    );
  });
}

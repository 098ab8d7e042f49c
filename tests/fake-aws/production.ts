import { bucketPurposes, type BucketPurpose } from "../../infra/access";
import { fileKey } from "../../infra/platforms/kubernetes/files";
import type { Graph } from "../aws/graph";
import { prodGraph } from "../aws/stack";
import { account } from "./fake-aws";

/** A role as the program of the stack on AWS makes it. */
export interface Role {
  name: string;
  trust: string;
  /** Policies of its own, by name. */
  policies: Record<string, string>;
}

/** What the stack on AWS makes, as far as the fake AWS can hold it: all of it is the program's own words. */
export class Production {
  private constructor(private readonly graph: Graph) {}

  static async evaluate(): Promise<Production> {
    // Its keeper is not among the services here.
    return new Production(await prodGraph({ audit: "false" }));
  }

  /** Name of each bucket. */
  get buckets(): Record<BucketPurpose, string> {
    const name = (place: string) => String(this.graph.one("aws:s3/bucket:Bucket", place).inputs["bucket"]);
    return Object.fromEntries(bucketPurposes.map((place) => [place, name(place)])) as Record<
      BucketPurpose,
      string
    >;
  }

  /** A role and its policies, by the role's name without the stack's. */
  role(short: string): Role {
    const name = `lakestack-prod-${short}`;
    const { inputs } = this.graph.one("aws:iam/role:Role", short);
    const policies = this.graph
      .ofType("aws:iam/rolePolicy:RolePolicy")
      .filter((policy) => policy.inputs["role"] === name)
      .map((policy) => [policy.name, String(policy.inputs["policy"])] as const);
    return { name, trust: String(inputs["assumeRolePolicy"]), policies: Object.fromEntries(policies) };
  }

  /** ARN of the role of each service account that has one. */
  get podRoles(): Record<string, string> {
    const found = this.graph.ofType("aws:eks/podIdentityAssociation:PodIdentityAssociation");
    return Object.fromEntries(
      found.map(({ inputs }) => [String(inputs["serviceAccount"]), String(inputs["roleArn"])]),
    );
  }

  /** Content of a file that is put into a workload's pods. */
  file(workload: string, path: string): string {
    const kept = [
      ...this.graph.ofType("kubernetes:core/v1:ConfigMap").map(({ name, inputs }) => [name, inputs["data"]]),
      ...this.graph
        .ofType("kubernetes:core/v1:Secret")
        .map(({ name, inputs }) => [name, inputs["stringData"]]),
    ] as [string, Record<string, string> | undefined][];
    const found = kept
      .filter(([name]) => name.startsWith(workload))
      .map(([, files]) => files?.[fileKey(path)])
      .find((content) => content !== undefined);
    if (found === undefined) throw new Error(`${workload} has no file ${path} on AWS`);
    return found;
  }
}

export const roleArn = (short: string) => `arn:aws:iam::${account}:role/lakestack-prod-${short}`;

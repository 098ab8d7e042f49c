import { getCallerIdentityOutput } from "@pulumi/aws/getCallerIdentity";
import { getPartitionOutput } from "@pulumi/aws/getPartition";
import * as pulumi from "@pulumi/pulumi";

/** Where the stack lives: what names and ARNs are made of. */
export interface Account {
  id: pulumi.Output<string>;
  /** "aws", or another in China and for governments. */
  partition: pulumi.Output<string>;
  region: string;
  /** Begins every name: `lakestack-prod`. */
  prefix: string;
}

/** Asks AWS whose credentials these are. */
export function lookUpAccount(region: string, prefix: string, provider: pulumi.ProviderResource): Account {
  return {
    id: getCallerIdentityOutput({}, { provider }).accountId,
    partition: getPartitionOutput({}, { provider }).partition,
    region,
    prefix,
  };
}

/** ARN of a policy that AWS keeps. */
export function managedPolicy({ partition }: Account, name: string): pulumi.Output<string> {
  return pulumi.interpolate`arn:${partition}:iam::aws:policy/${name}`;
}

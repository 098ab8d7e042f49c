import * as pulumi from "@pulumi/pulumi";

type Conditions = Record<string, Record<string, pulumi.Input<string> | pulumi.Input<string>[]>>;

/** One statement of an IAM policy; the part of the grammar that this project uses. */
export interface Statement {
  Sid: string;
  Effect: "Allow" | "Deny";
  Principal?: "*" | { AWS?: pulumi.Input<string>; Service?: pulumi.Input<string> };
  Action: string[];
  Resource?: pulumi.Input<string>[];
  Condition?: Conditions;
}

/** A policy as IAM takes it. */
export function policyDocument(statements: Statement[]): pulumi.Output<string> {
  return pulumi.jsonStringify({ Version: "2012-10-17", Statement: statements });
}

/** Lets an AWS service take a role. */
export function trustService(service: string, actions = ["sts:AssumeRole"]): pulumi.Output<string> {
  return policyDocument([
    { Sid: "Service", Effect: "Allow", Principal: { Service: service }, Action: actions },
  ]);
}

/** Lets pods of the cluster take a role, by the EKS Pod Identity association that names both. */
export function trustPods(): pulumi.Output<string> {
  return trustService("pods.eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"]);
}

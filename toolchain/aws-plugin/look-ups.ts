import type { Values } from "../plugin-protocol/provider";

/**
 * Answers to what a preview asks about an account. None of it is true of any account: the account's number is the one of
 * AWS's own examples, and every answer is marked.
 */
const answers: Record<string, (args: Values, region: string) => Values> = {
  "aws:index/getCallerIdentity:getCallerIdentity": () => ({
    accountId: "123456789012",
    arn: "arn:aws:iam::123456789012:user/preview-without-an-account",
    userId: "PREVIEW",
  }),
  "aws:index/getPartition:getPartition": () => ({
    partition: "aws",
    dnsSuffix: "amazonaws.com",
    reverseDnsPrefix: "com.amazonaws",
  }),
  "aws:index/getRegion:getRegion": (_, region) => ({ name: region, region }),
  "aws:index/getAvailabilityZones:getAvailabilityZones": (_, region) => ({
    names: ["a", "b", "c"].map((zone) => `${region}${zone}`),
    zoneIds: ["az1", "az2", "az3"],
    groupNames: [region],
  }),
  "aws:eks/getAddonVersion:getAddonVersion": ({ addonName }) => ({ addonName, version: "v0.0.0-preview.1" }),
  "aws:ec2/getVpc:getVpc": ({ id }) => ({ id, cidrBlock: "10.0.0.0/16" }),
  "aws:ssm/getParameter:getParameter": ({ name }) => ({ name, type: "String", value: "preview" }),
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": (_, region) => ({
    userName: "AWS",
    password: "preview",
    proxyEndpoint: `https://123456789012.registry.${region}.example`,
    authorizationToken: "preview",
    expiresAt: "2000-01-01T00:00:00Z",
  }),
};

/** Undefined for what has no answer here. */
export function lookUp(token: string, args: Values, region: string): Values | undefined {
  const answer = answers[token]?.(args, region);
  return answer === undefined ? undefined : { id: "preview-without-an-account", region, ...args, ...answer };
}

export const knownLookUps = Object.keys(answers);

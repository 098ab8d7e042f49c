import { randomBytes } from "node:crypto";
import { element, type FakeAws, type Keys } from "./fake-aws";
import type { Production, Role } from "./production";

/** The policy of whoever runs the tests: all rights. */
const everything = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
});

/** Makes a user with all rights, before rights are looked at. */
export async function makeAdministrator(aws: FakeAws): Promise<Keys> {
  const UserName = "administrator";
  await aws.call("iam", { Action: "CreateUser", UserName });
  await aws.call("iam", {
    Action: "PutUserPolicy",
    UserName,
    PolicyName: "everything",
    PolicyDocument: everything,
  });
  const made = await aws.call("iam", { Action: "CreateAccessKey", UserName });
  return { accessKeyId: element(made, "AccessKeyId"), secretAccessKey: element(made, "SecretAccessKey") };
}

/** Makes the roles of the stack on AWS, with the policies that its program gives them. */
export async function makeRoles(aws: FakeAws, production: Production): Promise<void> {
  for (const short of ["catalog", "spark", "spark-history", "scheduler", "catalog-lending"])
    await makeRole(aws, production.role(short));
}

async function makeRole(aws: FakeAws, { name, trust, policies }: Role): Promise<void> {
  await aws.call("iam", {
    Action: "CreateRole",
    RoleName: name,
    AssumeRolePolicyDocument: trustInMotosWords(trust),
  });
  for (const [PolicyName, policy] of Object.entries(policies)) {
    const PolicyDocument = rightsInMotosWords(policy);
    await aws.call("iam", { Action: "PutRolePolicy", RoleName: name, PolicyName, PolicyDocument });
  }
}

/** Name of the session that each pod of the fake AWS works in. */
export const podSession = "eks-pod";

/** AWS knows a role in its sessions. moto compares letters, so the session has to be named in the role's place. */
function trustInMotosWords(trust: string): string {
  return trust.replace(
    /"arn:aws:iam::(\d+):role\/([^"]+)"/g,
    (_, id: string, name: string) => `"arn:aws:sts::${id}:assumed-role/${name}/${podSession}"`,
  );
}

interface Statement {
  Action: string[];
  Resource?: string[];
}

/**
 * The same rights where moto asks for others than AWS: whether a bucket is there (AWS: the right to list it), and the
 * removal of several objects at a time (AWS: of each of the objects; moto: of the bucket).
 */
function rightsInMotosWords(policy: string): string {
  const document = JSON.parse(policy) as { Statement: Statement[] };
  const statements = document.Statement.map((statement) => {
    const { Action: actions, Resource: resources = [] } = statement;
    if (actions.includes("s3:ListBucket")) return { ...statement, Action: [...actions, "s3:HeadBucket"] };
    if (!actions.includes("s3:DeleteObject")) return statement;
    return { ...statement, Resource: [...resources, ...resources.map((each) => each.replace(/\/\*$/, ""))] };
  });
  return JSON.stringify({ ...document, Statement: statements });
}

/** A token for each pod that has a role, and the role by the token. */
export function podTokens(roles: Record<string, string>): {
  tokenOf: Record<string, string>;
  roleOf: Record<string, string>;
} {
  const tokenOf = Object.fromEntries(Object.keys(roles).map((pod) => [pod, randomBytes(16).toString("hex")]));
  const roleOf = Object.fromEntries(Object.entries(roles).map(([pod, role]) => [tokenOf[pod] ?? "", role]));
  return { tokenOf, roleOf };
}

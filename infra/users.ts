import * as pulumi from "@pulumi/pulumi";
import { hashPassword, isPasswordHash } from "./password";
import type { Secrets } from "./secrets";

/**
 * What users of Trino may be. `admin`: everything. `etl`: writes to the lake. `analyst`: reads the published tables, with
 * their masks and filters.
 */
export const roles = ["admin", "etl", "analyst"] as const;
export type Role = (typeof roles)[number];

/** A person or a program that may log in to Trino. */
export interface User {
  name: string;
  role: Role;
  /** As `hashPassword` makes it. Empty: not given yet, nobody can log in by that name. */
  passwordHash: pulumi.Input<string>;
}

/** The name by which Airflow logs in to Trino. */
export const airflowUser = "airflow";

/** The only user who may tell a Trino worker to go. Known to the worker alone: its own drain command says it. */
export const drainUser = "drain";

const namePattern = /^[A-Za-z][\w.@-]{1,63}$/;

/** What a name must be like, in words. */
export const nameExpectation = "2 to 64 letters, digits or _.@-, a letter first";

/** Whether somebody can be called so, in Trino's files and in rules. */
export const isUserName = (name: string) => namePattern.test(name);

/** Something in the declared users that can't be used. */
export interface UserFault {
  key: string;
  value: string;
  expected: string;
}

/**
 * Reads the users that the stack's configuration declares: an object of roles by name.
 *
 * @param text as JSON, as Pulumi hands objects over; nobody if there is none.
 * @param administrator the name that the stack's administrator has.
 */
export function readUsers(
  text: string | undefined,
  administrator: string,
): { users: Record<string, Role>; faults: UserFault[] } {
  const faults: UserFault[] = [];
  const fault = (key: string, value: unknown, expected: string) =>
    faults.push({ key, value: typeof value === "string" ? value : JSON.stringify(value), expected });
  if (administrator === airflowUser || administrator === drainUser)
    fault("trinoUser", administrator, "another name: this one is the stack's own");

  const declared = parse(text);
  if (declared === undefined) fault("users", text, `an object of roles by name, {"ann": "analyst"}`);
  const users = Object.entries(declared ?? {}).filter((entry): entry is [string, Role] => {
    const [name, role] = entry;
    if (!isUserName(name)) fault("users", name, `names of ${nameExpectation}`);
    else if (isOwnUser(name, administrator))
      fault(`users.${name}`, role, "another name: this one is the stack's own");
    else if (!(roles as readonly unknown[]).includes(role))
      fault(`users.${name}`, role, `one of ${roles.join(", ")}`);
    else return true;
    return false;
  });
  return { users: Object.fromEntries(users), faults };
}

/** A group's name goes into rules and settings, where quotes, backslashes and dollars would mean something else. */
const groupPattern = /^[^\p{C}'"\\$]{1,200}$/u;

/**
 * Reads what members of groups are of which an identity provider tells: an object of roles by group.
 *
 * @param text as JSON, as Pulumi hands objects over; no group if there is none.
 */
export function readGroups(text: string | undefined): { groups: Record<string, Role>; faults: UserFault[] } {
  const faults: UserFault[] = [];
  const fault = (key: string, value: unknown, expected: string) =>
    faults.push({ key, value: typeof value === "string" ? value : JSON.stringify(value), expected });
  const declared = parse(text);
  if (declared === undefined)
    fault("oidcGroups", text, `an object of roles by group, {"data team": "analyst"}`);
  const groups = Object.entries(declared ?? {}).filter((entry): entry is [string, Role] => {
    const [name, role] = entry;
    if (!groupPattern.test(name))
      fault("oidcGroups", name, `names of groups of up to 200 characters, without ' " \\ and $`);
    else if (!(roles as readonly unknown[]).includes(role))
      fault(`oidcGroups["${name}"]`, role, `one of ${roles.join(", ")}`);
    else return true;
    return false;
  });
  return { groups: Object.fromEntries(groups), faults };
}

/** The names that a role was declared for: of users, or of groups. */
export const withRole = (declared: Record<string, Role>, role: Role): string[] =>
  Object.entries(declared)
    .filter(([, each]) => each === role)
    .map(([name]) => name);

/** Users that the stack itself needs: they can't be declared, nor removed. */
export const isOwnUser = (name: string, administrator: string) =>
  [administrator, airflowUser, drainUser].includes(name);

function parse(text = "{}"): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * All users of Trino: the stack's own, and the declared ones.
 *
 * @param hashes of the declared users' passwords, by name.
 */
export function allUsers(
  { trinoUser, users }: { trinoUser: string; users: Record<string, Role> },
  secrets: Secrets,
  hashes: Record<string, unknown> = {},
): User[] {
  const own = (password: pulumi.Output<string>, salt: pulumi.Output<string>) =>
    pulumi.all([password, salt]).apply(([plain, saltHex]) => hashPassword(plain, saltHex));
  const declared = Object.entries(users).map(([name, role]) => {
    const hash = hashes[name];
    return { name, role, passwordHash: pulumi.secret(isPasswordHash(hash) ? hash : "") };
  });
  return [
    { name: trinoUser, role: "admin", passwordHash: own(secrets.trinoPassword, secrets.trinoPasswordSalt) },
    {
      name: airflowUser,
      role: "etl",
      passwordHash: own(secrets.airflowTrinoPassword, secrets.airflowTrinoPasswordSalt),
    },
    ...declared,
  ];
}

/** Configuration key with the hashes of the declared users' passwords: a secret, an object by name. */
export const passwordsKey = "userPasswords";

/** The users of this stack. Says who of them has no password yet. */
export function loadUsers(
  declared: { trinoUser: string; users: Record<string, Role>; oidcIssuer: string },
  secrets: Secrets,
): User[] {
  const hashes = new pulumi.Config("lakestack").getObject<Record<string, unknown>>(passwordsKey) ?? {};
  const without = Object.keys(declared.users).filter((name) => !isPasswordHash(hashes[name]));
  // They may come by the identity provider, which has their passwords.
  if (without.length > 0 && declared.oidcIssuer === "")
    void pulumi.log.warn(
      `Users without a password, who cannot log in yet: ${without.join(", ")}. Give one: npm run user -- passwd NAME`,
    );
  return allUsers(declared, secrets, hashes);
}

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

/** Names in Trino by which services log in, and nobody else may. */
export const serviceUsers: readonly string[] = [airflowUser, drainUser];

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

const ownName = "another name: this one is the stack's own";

/** What an object of roles by name is about, and which names it can have. */
interface Named {
  /** The configuration key with the object. */
  key: string;
  /** What the object was expected to be, in words. */
  expected: string;
  /** The key of one name's role. */
  at: (name: string) => string;
  isName: (name: string) => boolean;
  /** What a name was expected to be, in words. */
  names: string;
  /** Whether a name is the stack's own. Default: none is. */
  isOwn?: (name: string) => boolean;
}

function readRoles(
  text: string | undefined,
  { key, expected, at, isName, names, isOwn = () => false }: Named,
): { declared: Record<string, Role>; faults: UserFault[] } {
  const faults: UserFault[] = [];
  const fault = (place: string, value: unknown, wanted: string) =>
    faults.push({
      key: place,
      value: typeof value === "string" ? value : JSON.stringify(value),
      expected: wanted,
    });
  const given = parse(text);
  if (given === undefined) fault(key, text, expected);
  const declared = Object.entries(given ?? {}).filter((entry): entry is [string, Role] => {
    const [name, role] = entry;
    if (!isName(name)) fault(key, name, names);
    else if (isOwn(name)) fault(at(name), role, ownName);
    else if (!(roles as readonly unknown[]).includes(role))
      fault(at(name), role, `one of ${roles.join(", ")}`);
    else return true;
    return false;
  });
  return { declared: Object.fromEntries(declared), faults };
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
  const { declared, faults } = readRoles(text, {
    key: "users",
    expected: `an object of roles by name, {"ann": "analyst"}`,
    at: (name) => `users.${name}`,
    isName: isUserName,
    names: `names of ${nameExpectation}`,
    isOwn: (name) => isOwnUser(name, administrator),
  });
  const isTaken = serviceUsers.includes(administrator);
  const ofAdministrator = isTaken ? [{ key: "trinoUser", value: administrator, expected: ownName }] : [];
  return { users: declared, faults: [...ofAdministrator, ...faults] };
}

/** A group's name goes into rules and settings, where quotes, backslashes and dollars would mean something else. */
const groupPattern = /^[^\p{C}'"\\$]{1,200}$/u;

/**
 * Reads what members of groups are of which an identity provider tells: an object of roles by group.
 *
 * @param text as JSON, as Pulumi hands objects over; no group if there is none.
 */
export function readGroups(text: string | undefined): { groups: Record<string, Role>; faults: UserFault[] } {
  const { declared, faults } = readRoles(text, {
    key: "oidcGroups",
    expected: `an object of roles by group, {"data team": "analyst"}`,
    at: (name) => `oidcGroups["${name}"]`,
    isName: (name) => groupPattern.test(name),
    names: `names of groups of up to 200 characters, without ' " \\ and $`,
  });
  return { groups: declared, faults };
}

/** The names that a role was declared for: of users, or of groups. */
export const withRole = (declared: Record<string, Role>, role: Role): string[] =>
  Object.entries(declared)
    .filter(([, each]) => each === role)
    .map(([name]) => name);

/** Users that the stack itself needs: they can't be declared, nor removed. */
export const isOwnUser = (name: string, administrator: string) =>
  name === administrator || serviceUsers.includes(name);

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

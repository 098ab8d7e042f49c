import type { Source } from "../sources";
import { airflowUser } from "../users";
import type { Role, User } from "../users";

/** Who may see what, as Trino reads it: the users' roles, and what each role may do. */
export interface Access {
  users: Pick<User, "name" | "role">[];
  sources: Pick<Source, "table" | "masks" | "rowFilter" | "checks">[];
  /** Schemas of which analysts may read every table, beside the declared ones. */
  publishedSchemas: string[];
  /** Name of the Iceberg catalog in Trino. */
  catalog: string;
}

/** Where the tables of the audit log are, which only administrators may read. */
export const auditSchema = "audit";

const everything = ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT"];

/** What an analyst may set for a session. Of the rest some would lift the limits that the role has. */
const harmlessProperties = ["time_zone_id", "join_distribution_type", "join_reordering_strategy"];

/** Tables that the pipelines keep beside a source's own, which are nobody's to read but the pipelines' people's. */
const internalTables = ".*_(quarantine|undeclared)";

/** Trino's group file: a group is a role. */
export function renderGroups(users: Pick<User, "name" | "role">[]): string {
  const members = (role: Role) => users.filter((user) => user.role === role).map(({ name }) => name);
  return (["admin", "etl", "analyst"] as const)
    .map((role) => `${role}:${members(role).join(",")}\n`)
    .join("");
}

/** Trino's password file. One line that it can't read would shut everybody out: users without a password have none. */
export function renderPasswords(users: { name: string; passwordHash: string }[]): string {
  return users
    .filter(({ passwordHash }) => passwordHash !== "")
    .map(({ name, passwordHash }) => `${name}:${passwordHash}\n`)
    .join("");
}

/**
 * Trino's rules. The first that matches decides, and where none does, nothing is allowed.
 *
 * Analysts read tables by their exact names: "media$files" shows bounds of masked columns, and "media@branch" or
 * "media#commit" would be a table without masks.
 */
export function renderRules({ users, sources, publishedSchemas, catalog }: Access): string {
  const admins = users.filter(({ role }) => role === "admin").map(({ name }) => exactly(name));
  const writer = { group: "admin|etl" };
  const analyst = { group: "analyst", catalog };
  const read = { privileges: ["SELECT"] };
  const audit = { catalog, schema: auditSchema };
  return `${JSON.stringify(
    {
      catalogs: [
        { group: "admin", allow: "all" },
        { group: "etl", catalog, allow: "all" },
        { group: "analyst", catalog, allow: "read-only" },
        { group: "etl|analyst", catalog: "system", allow: "read-only" },
        // Without it everybody has the system catalog.
        { allow: "none" },
      ],
      schemas: [
        { group: "admin", owner: true },
        { user: airflowUser, ...audit, owner: true },
        { ...audit, owner: false },
        { group: "etl", catalog, owner: true },
        { owner: false },
      ],
      tables: [
        { group: "admin", privileges: everything },
        // Who makes the tables needs no row of them.
        { user: airflowUser, ...audit, privileges: ["OWNERSHIP"] },
        { ...audit, privileges: [] },
        { group: "etl", catalog, privileges: everything },
        // What drivers ask for names and types.
        { group: "etl|analyst", catalog: "system", schema: "jdbc|metadata", ...read },
        // Of which Trino shows each their own.
        { group: "etl|analyst", catalog: "system", schema: "runtime", table: "queries", ...read },
        ...sources.flatMap((source) => sourceRules(source, analyst)),
        { ...analyst, table: internalTables, privileges: [] },
        ...publishedSchemas.map((schema) => ({
          ...analyst,
          schema: exactly(schema),
          table: "[a-z0-9_]+",
          ...read,
        })),
      ],
      system_session_properties: [
        { ...writer, allow: true },
        { group: "analyst", property: harmlessProperties.join("|"), allow: true },
      ],
      catalog_session_properties: [{ ...writer, allow: true }],
      // Beside Trino's own, which everybody has. A connector's function table_changes knows no masks.
      functions: [{ ...writer, privileges: ["EXECUTE", "GRANT_EXECUTE", "OWNERSHIP"] }],
      procedures: [
        { group: "admin", privileges: ["EXECUTE", "GRANT_EXECUTE"] },
        { group: "etl", catalog, privileges: ["EXECUTE"] },
      ],
      queries: [
        { group: "admin", allow: ["execute", "view", "kill"] },
        { group: "etl|analyst", allow: ["execute"] },
      ],
      impersonation: [],
      // Knows no groups.
      system_information: admins.length === 0 ? [] : [{ user: admins.join("|"), allow: ["read"] }],
    },
    undefined,
    2,
  )}\n`;
}

function sourceRules({ table, masks, rowFilter, checks }: Access["sources"][number], analyst: object) {
  const [schema = "", name = ""] = table.split(".");
  const rule = (table: string, more: object = {}) => ({
    ...analyst,
    schema: exactly(schema),
    table: exactly(table),
    privileges: ["SELECT"],
    ...more,
  });
  return [
    rule(name, {
      ...(masks.length === 0
        ? {}
        : { columns: masks.map(({ column, expression }) => ({ name: column, mask: expression })) }),
      ...(rowFilter === undefined ? {} : { filter: rowFilter }),
    }),
    // Whether the table can be trusted is its readers' concern.
    ...(checks.length === 0 ? [] : [rule(`${name}_checks`)]),
  ];
}

/** A regular expression that fits this name alone. */
const exactly = (name: string) => name.replaceAll(/[^\w@]/g, "\\$&");

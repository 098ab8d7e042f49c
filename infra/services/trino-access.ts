import type { Source } from "../sources";
import { airflowUser, type Role, roles, type User } from "../users";
import { anyOf, exactly, plainGroups, type RoleGroups } from "./trino-login";

/** Who may see what, as Trino reads it: the users' roles, and what each role may do. */
export interface Access {
  users: Pick<User, "name" | "role">[];
  sources: Pick<Source, "table" | "masks" | "rowFilter" | "checks">[];
  /** Schemas of which analysts may read every table, beside the declared ones. */
  publishedSchemas: string[];
  /** Name of the Iceberg catalog in Trino. */
  catalog: string;
  /** What the roles' groups are called. Default: as the roles. */
  groups?: RoleGroups;
}

/** Where the tables of the audit log are, which only administrators may read. */
export const auditSchema = "audit";

const everything = ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT"];

/** What an analyst may set for a session. Of the rest some would lift the limits that the role has. */
const harmlessProperties = ["time_zone_id", "join_distribution_type", "join_reordering_strategy"];

/** Tables that the pipelines keep beside a source's own, which are nobody's to read but the pipelines' people's. */
const internalTables = ".*_(quarantine|undeclared)";

/** Trino's group file: a group is a role. */
export function renderGroups(users: Pick<User, "name" | "role">[], groups = plainGroups): string {
  const members = (role: Role) => users.filter((user) => user.role === role).map(({ name }) => name);
  return roles.map((role) => `${groups[role][0] ?? role}:${members(role).join(",")}\n`).join("");
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
export function renderRules({
  users,
  sources,
  publishedSchemas,
  catalog,
  groups = plainGroups,
}: Access): string {
  const admins = users.filter(({ role }) => role === "admin").map(({ name }) => exactly(name));
  const of = (...wanted: Role[]) => ({ group: anyOf(groups, ...wanted) });
  const writer = of("admin", "etl");
  const analyst = { ...of("analyst"), catalog };
  const read = { privileges: ["SELECT"] };
  const audit = { catalog, schema: auditSchema };
  return `${JSON.stringify(
    {
      catalogs: [
        { ...of("admin"), allow: "all" },
        { ...of("etl"), catalog, allow: "all" },
        { ...analyst, allow: "read-only" },
        { ...of("etl", "analyst"), catalog: "system", allow: "read-only" },
        // Without it everybody has the system catalog.
        { allow: "none" },
      ],
      schemas: [
        { ...of("admin"), owner: true },
        { user: airflowUser, ...audit, owner: true },
        { ...audit, owner: false },
        { ...of("etl"), catalog, owner: true },
        { owner: false },
      ],
      tables: [
        { ...of("admin"), privileges: everything },
        // Who makes the tables needs no row of them.
        { user: airflowUser, ...audit, privileges: ["OWNERSHIP"] },
        { ...audit, privileges: [] },
        { ...of("etl"), catalog, privileges: everything },
        // What drivers ask for names and types.
        { ...of("etl", "analyst"), catalog: "system", schema: "jdbc|metadata", ...read },
        // Of which Trino shows each their own.
        { ...of("etl", "analyst"), catalog: "system", schema: "runtime", table: "queries", ...read },
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
        { ...of("analyst"), property: harmlessProperties.join("|"), allow: true },
      ],
      catalog_session_properties: [{ ...writer, allow: true }],
      // Beside Trino's own, which everybody has. A connector's function table_changes knows no masks.
      functions: [{ ...writer, privileges: ["EXECUTE", "GRANT_EXECUTE", "OWNERSHIP"] }],
      procedures: [
        { ...of("admin"), privileges: ["EXECUTE", "GRANT_EXECUTE"] },
        { ...of("etl"), catalog, privileges: ["EXECUTE"] },
      ],
      queries: [
        { ...of("admin"), allow: ["execute", "view", "kill"] },
        { ...of("etl", "analyst"), allow: ["execute"] },
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

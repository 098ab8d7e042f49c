import type { IdentityProvider } from "./identity-provider";
import { type Role, withRole } from "./users";

/** Batches that are looked at before they are published lie on branches of this name: scheduler/dags/lakestack/branches.py. */
const auditBranches = "audit_";

/** One right in the catalog: operations of Nessie's (its class Check.CheckType), and on which branches. */
export interface CatalogRight {
  operations: readonly string[];
  /** "main", the branch that readers look at, or those of batches that are being looked at. Default: every state of all. */
  branches?: readonly ("main" | "audit")[];
}

const read: CatalogRight = {
  operations: ["VIEW_REFERENCE", "READ_ENTRIES", "READ_CONTENT_KEY", "LIST_COMMIT_LOG", "READ_ENTITY_VALUE"],
};
const change = ["COMMIT_CHANGE_AGAINST_REFERENCE", "CREATE_ENTITY", "UPDATE_ENTITY"];

/**
 * Who may do what in the catalog: one identity a caller, with what it works on and no more. Nobody may set a branch back,
 * make tags, or read or change the catalog's own configuration.
 */
export const catalogAccess = {
  /** Users with the right to, in Trino, write and drop tables. It has no business with branches. */
  trino: [read, { operations: [...change, "DELETE_ENTITY"], branches: ["main"] }],
  /** Pipelines and maintenance: drop nothing, and make, merge and remove branches of batches. */
  spark: [
    read,
    { operations: change, branches: ["main", "audit"] },
    { operations: ["CREATE_REFERENCE", "DELETE_REFERENCE"], branches: ["audit"] },
  ],
  /**
   * Programs from outside that read tables, PyIceberg for one. Without the second right Nessie 0.99 lends them keys that
   * open nothing: its policy for those who only read lacks a slash (decision 0045). They make no tables and drop none.
   */
  outside: [read, { operations: ["COMMIT_CHANGE_AGAINST_REFERENCE", "UPDATE_ENTITY"], branches: ["main"] }],
} as const satisfies Record<string, readonly CatalogRight[]>;

/** Who calls the catalog. */
export type CatalogCaller = keyof typeof catalogAccess;
export const catalogCallers = Object.keys(catalogAccess) as CatalogCaller[];

/**
 * What people may do in the catalog who bring a token of an issuer's. Whoever has a table's keys lent reads it without masks
 * and filters: so analysts, who are to see them, may nothing here. The others may what they may in Trino, and an
 * administrator also what jobs may with branches.
 */
export const peopleAccess: Partial<Record<Role, readonly CatalogRight[]>> = {
  admin: [...catalogAccess.trino, ...catalogAccess.spark],
  etl: catalogAccess.trino,
};

const branchConditions = { main: "ref == 'main'", audit: `ref.startsWith('${auditBranches}')` } as const;

/** Of an issuer, what the rules look at. */
export type RuledPeople = Pick<IdentityProvider, "issuer" | "groups" | "users" | "ownNames">;

/**
 * The same as Nessie's rules, by their names (projectnessie.org/nessie-latest/authorization). What none allows is refused.
 *
 * @param people who come with tokens of an issuer's. Among their "roles" is the issuer's own URL, beside their groups: by that
 *   they are never taken for a caller of the stack's, whatever they are called.
 */
export function catalogRules(people?: RuledPeople): Record<string, string> {
  const callers = catalogCallers.flatMap((caller) =>
    rules(
      caller,
      [`role == '${caller}'`, ...(people === undefined ? [] : [`!(${has(people.issuer)})`])],
      catalogAccess[caller],
    ),
  );
  const persons = people === undefined ? [] : peopleRules(people);
  return Object.fromEntries([...callers, ...persons]);
}

function peopleRules({ issuer, groups, users, ownNames }: RuledPeople): [string, string][] {
  return Object.entries(peopleAccess).flatMap(([role, rights]) => {
    const names = withRole(users, role as Role);
    const who = [
      ...withRole(groups, role as Role).map(has),
      ...(names.length === 0 ? [] : [`role in [${quoted(names)}]`]),
    ];
    if (who.length === 0) return [];
    return rules(
      `people_${role}`,
      [has(issuer), `!(role in [${quoted(ownNames)}])`, `(${who.join(" || ")})`],
      rights,
    );
  });
}

function rules(name: string, who: string[], rights: readonly CatalogRight[]): [string, string][] {
  return rights.map(({ operations, branches }, index) => [
    `${name}_${index + 1}`,
    [
      ...who,
      `op in [${quoted(operations)}]`,
      ...(branches === undefined
        ? []
        : [`(${branches.map((branch) => branchConditions[branch]).join(" || ")})`]),
    ].join(" && "),
  ]);
}

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(", ");
const has = (role: string) => `'${role}' in roles`;

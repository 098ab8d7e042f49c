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

const branchConditions = { main: "ref == 'main'", audit: `ref.startsWith('${auditBranches}')` } as const;

/** The same as Nessie's rules, by their names (projectnessie.org/nessie-latest/authorization). What none allows is refused. */
export function catalogRules(): Record<string, string> {
  const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(", ");
  return Object.fromEntries(
    catalogCallers.flatMap((caller) =>
      catalogAccess[caller].map(({ operations, branches }: CatalogRight, index) => [
        `${caller}_${index + 1}`,
        [
          `role == '${caller}'`,
          `op in [${quoted(operations)}]`,
          ...(branches === undefined
            ? []
            : [`(${branches.map((name) => branchConditions[name]).join(" || ")})`]),
        ].join(" && "),
      ]),
    ),
  );
}

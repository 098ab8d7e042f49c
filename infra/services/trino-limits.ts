import type { Role } from "../users";
import { anyOf, plainGroups } from "./trino-login";

/** What the queries of analysts may use together, so that ingestion always goes on. */
export interface AnalystLimits {
  /** Queries that run at a time; more of them wait. */
  queries: number;
  /** New ones wait while the running ones use more of Trino's memory than that, in percent. */
  memoryPercent: number;
  /** Minutes that one may run. */
  minutes: number;
}

/** Where queries run and wait, by role: the group's place among others, and how many run at a time. */
const places: Record<Exclude<Role, "analyst">, { weight: number; queries: number }> = {
  etl: { weight: 100, queries: 50 },
  admin: { weight: 50, queries: 20 },
};

/** How long a query may run of those who are no analysts: long enough for all that is meant to end. */
const longestHours = 12;

const root = "all";
/** Its name is the message that a refused statement gets. */
const refusal = "table-maintenance-is-not-for-analysts";

/**
 * Trino's resource groups. Queries that wait start in the order of their groups' weights: one of the pipelines before
 * one of an analyst. One analyst alone can't take all places of the analysts.
 *
 * @param groups what the roles' groups are called.
 */
export function renderResourceGroups(
  { queries, memoryPercent }: AnalystLimits,
  groups = plainGroups,
): string {
  const memory = `${memoryPercent}%`;
  const privileged = (["etl", "admin"] as const).map((role) => ({
    name: role,
    softMemoryLimit: "100%",
    hardConcurrencyLimit: places[role].queries,
    maxQueued: 1000,
    schedulingWeight: places[role].weight,
  }));
  const analysts = {
    name: "analyst",
    softMemoryLimit: memory,
    hardConcurrencyLimit: queries,
    maxQueued: 500,
    schedulingWeight: 1,
    schedulingPolicy: "fair",
    subGroups: [
      {
        name: "${USER}",
        softMemoryLimit: memory,
        hardConcurrencyLimit: Math.ceil(queries / 2),
        maxQueued: 100,
      },
    ],
  };
  const refused = { name: refusal, softMemoryLimit: "0%", hardConcurrencyLimit: 0, maxQueued: 0 };
  return `${JSON.stringify(
    {
      rootGroups: [
        {
          name: root,
          softMemoryLimit: "100%",
          hardConcurrencyLimit: queries + places.etl.queries + places.admin.queries,
          maxQueued: 2000,
          schedulingPolicy: "weighted",
          subGroups: [...privileged, analysts],
        },
        refused,
      ],
      selectors: [
        { userGroup: anyOf(groups, "admin"), group: `${root}.admin` },
        { userGroup: anyOf(groups, "etl"), group: `${root}.etl` },
        // Trino's rules have no word for ALTER TABLE … EXECUTE: whoever sees a table could rewrite it, or its history.
        { queryType: "ALTER_TABLE_EXECUTE", group: refusal },
        { group: `${root}.analyst.\${USER}` },
      ],
    },
    undefined,
    2,
  )}\n`;
}

/** What config.properties says for everybody who is given no other limit: the analysts. */
export const analystQueryLimits = ({ minutes }: AnalystLimits) => ({
  "query.max-execution-time": `${minutes}m`,
});

/**
 * Limits of the others, as defaults of their sessions. Only who may set these properties can have such a default, and
 * analysts may not: so theirs are the server's own.
 */
export function renderSessionDefaults(): string {
  return `${JSON.stringify(
    [
      {
        group: `${root}\\.(${Object.keys(places).join("|")})`,
        sessionProperties: { query_max_execution_time: `${longestHours}h` },
      },
    ],
    undefined,
    2,
  )}\n`;
}

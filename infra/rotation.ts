import type { SecretValues } from "./secrets";
import { completeSecrets } from "./secrets";
import { hostsOf } from "./tls";

/** A secret that can be asked for by its name, and what has to know of its change. */
interface Rotated {
  /** What it is good for, in a few words. */
  opens: string;
  /** Workloads that only learn of it by a restart. None: it is taken by a service that goes on running. */
  restarts: readonly string[];
  /** Others that have to change as well. */
  brings?: readonly (keyof SecretValues)[];
}

/** Has no name of its own, for it means nothing without the other: they change together. */
interface Follows {
  with: keyof SecretValues;
}

const airflow = ["airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"] as const;
const spark = ["spark-master", "spark-worker", "spark-history"] as const;

/**
 * Every secret of a stack: what it opens, and which services restart for it. `tests/unit/dev-stack.test.ts` compares the
 * latter with what the containers are given.
 *
 * A secret belongs here as soon as it is in `SecretValues`: else this does not compile.
 */
const table = {
  trinoPassword: { opens: "Trino, for its administrator", restarts: [] },
  trinoPasswordSalt: { with: "trinoPassword" },
  airflowPassword: { opens: "Airflow's page, for its administrator", restarts: ["airflow-api"] },
  objectStorePassword: {
    opens: "the object store, for its root user; signs the keys that are lent",
    restarts: ["object-store"],
  },
  airflowTrinoPassword: { opens: "Trino, for the pipelines", restarts: airflow },
  airflowTrinoPasswordSalt: { with: "airflowTrinoPassword" },
  trinoInternalSecret: { opens: "Trino's nodes to each other", restarts: ["trino", "trino-worker"] },
  databasePassword: { opens: "PostgreSQL, for its superuser", restarts: ["database"] },
  catalogDatabasePassword: { opens: "PostgreSQL, for the catalog", restarts: ["database", "catalog"] },
  airflowDatabasePassword: { opens: "PostgreSQL, for Airflow", restarts: ["database", ...airflow] },
  catalogObjectStoreKey: { opens: "the object store, for the catalog", restarts: ["catalog"] },
  sparkObjectStoreKey: { opens: "the object store, for Spark", restarts: [...spark, ...airflow] },
  lineageObjectStoreKey: {
    opens: "the object store, for those who tell of lineage",
    restarts: ["airflow-scheduler"],
  },
  auditObjectStoreKey: { opens: "the object store, for the keeper of the audit log", restarts: ["audit"] },
  auditToken: {
    opens: "the audit log, for those who tell it something",
    restarts: ["audit", "trino", "object-store", "airflow-scheduler"],
  },
  sparkAuthenticationSecret: {
    opens: "Spark's master, workers and drivers to each other",
    restarts: [...spark, ...airflow],
  },
  airflowFernetKey: { opens: "connections and variables in Airflow's database", restarts: airflow },
  airflowApiSecretKey: { opens: "sessions at Airflow's page", restarts: airflow },
  airflowJwtSecret: { opens: "Airflow's API, for its tasks and its users", restarts: airflow },
  catalogTokenKey: {
    opens: "the catalog: signs the tokens of its callers, which change with it",
    restarts: ["catalog", "trino", "trino-worker", ...spark, ...airflow],
  },
  trinoCatalogToken: { with: "catalogTokenKey" },
  sparkCatalogToken: { with: "catalogTokenKey" },
  outsideCatalogToken: { with: "catalogTokenKey" },
  caCertificate: {
    opens:
      "signs the certificates of Trino and PostgreSQL; every client of Trino's has to be given the new one",
    restarts: ["trino", "database", "catalog", ...airflow],
    brings: ["trinoCertificate", "databaseCertificate"],
  },
  caKey: { with: "caCertificate" },
  trinoCertificate: { opens: "Trino's certificate", restarts: [] },
  trinoKey: { with: "trinoCertificate" },
  databaseCertificate: { opens: "PostgreSQL's certificate", restarts: ["database"] },
  databaseKey: { with: "databaseCertificate" },
  databaseAuthority: { with: "caCertificate" },
  gatewayCertificate: { with: "caCertificate" },
  gatewayKey: { with: "caCertificate" },
  gatewayAuthority: { with: "caCertificate" },
} as const satisfies Record<keyof SecretValues, Rotated | Follows>;

type Table = typeof table;

/** Secrets that can be rotated by name. */
export type RotationName = {
  [K in keyof Table]: Table[K] extends Follows ? never : K;
}[keyof Table];

const entries = Object.entries(table) as [keyof SecretValues, Rotated | Follows][];

/** Secrets that can be rotated by name. */
export const rotations = new Map(
  entries.filter((entry): entry is [RotationName, Rotated] => !("with" in entry[1])),
);

export const isRotationName = (text: string): text is RotationName =>
  (rotations as ReadonlyMap<string, unknown>).has(text);

/** The secret together with which this one changes; itself, if it has a name. Undefined: there is no such secret. */
export function changesWith(text: string): RotationName | undefined {
  const facts = (table as Record<string, Rotated | Follows | undefined>)[text];
  if (facts === undefined) return undefined;
  return "with" in facts ? changesWith(facts.with) : (text as RotationName);
}

/** The values that change when these are rotated. */
export function rotatedKeys(names: readonly RotationName[]): (keyof SecretValues)[] {
  const brought = names.flatMap((name) => rotations.get(name)?.brings ?? []);
  const all = new Set<keyof SecretValues>([...names, ...brought]);
  return entries
    .filter(([key, facts]) => all.has(key) || ("with" in facts && all.has(facts.with)))
    .map(([key]) => key);
}

/** Workloads that restart, once each, when these are rotated. */
export const restartsFor = (names: readonly RotationName[]): string[] => [
  ...new Set(names.flatMap((name) => rotations.get(name)?.restarts ?? [])),
];

/** Values that are on their way into a stack. */
export type PendingRotation = Partial<SecretValues>;

/**
 * A new value for each of these secrets.
 *
 * @param known the present ones; Trino's new certificate is for the same names.
 * @param pending an earlier rotation that has not come to its end: its values stay as they are, so that what knows them
 *   already need not restart again.
 */
export async function newValues(
  known: SecretValues,
  names: readonly RotationName[],
  pending: PendingRotation = {},
): Promise<PendingRotation> {
  const keys = new Set(rotatedKeys(names).filter((key) => pending[key] === undefined));
  const isNew = ([key]: [string, string]) => keys.has(key as keyof SecretValues);
  const kept = Object.entries<string>({ ...known, ...pending }).filter((entry) => !isNew(entry));
  const completed = await completeSecrets(
    Object.fromEntries(kept),
    hostsOf(known.trinoCertificate),
    known.gatewayCertificate === undefined ? [] : hostsOf(known.gatewayCertificate),
  );
  const changed = Object.entries<string>({ ...completed });
  return Object.fromEntries(changed.filter((entry) => isNew(entry) || entry[0] in pending));
}

/** Those of the named secrets whose change is on its way. */
export const pendingNames = (pending: PendingRotation): RotationName[] =>
  [...rotations.keys()].filter((name) => pending[name] !== undefined);

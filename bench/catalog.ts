import { type Command, type Context, readOptions } from "../commands/command";
import { bytes, table } from "../commands/table";
import { UserError } from "../toolchain/index";
import { catalogChart } from "./catalog-chart";
import { CatalogClient, CatalogError } from "./catalog-client";
import { type OwnStack, catalogPort, withOwnStack } from "./own-stack";
import { type PointerMeasurement, measurePointers, preparePointers } from "./postgres-pointers";
import { type Machine, machine, publish } from "./results";
import { percentile, rounded } from "./statistics";

const usage = `npm run bench:catalog [-- OPTIONS]     commits a second, on a stack of its own that is removed afterwards
  --writers 1,2,4,8,16,32     numbers of writers at once
  --seconds 4                 how long each measurement lasts
  --keep                      leave the stack up for the next benchmark`;

/** Commits by a number of writers, each beginning the next as soon as the last has succeeded. */
export interface CatalogMeasurement {
  /** All writers into one table, or each into one of its own. */
  tables: "one" | "many";
  catalogs: number;
  writers: number;
  commits: number;
  commitsPerSecond: number;
  /** Share of requests that were answered with HTTP 409: the table had changed since the writer looked. */
  conflictShare: number;
  /** Requests that were answered with another error. */
  errors: number;
  /** Milliseconds from a commit's first request to its success, with all that was repeated in between. */
  p50: number;
  p95: number;
  /** Milliseconds of processor time for each commit, by who used it. */
  cpu: { catalog: number; database: number; objectStore: number; client: number };
}

export interface CatalogResult {
  machine: Machine;
  seconds: number;
  nessie: CatalogMeasurement[];
  /** The baseline: the same compare-and-set, and nothing else, on the same PostgreSQL. */
  postgres: PointerMeasurement[];
  /** Bytes by which the catalog's database has grown, for each commit: Nessie keeps the history of all tables there. */
  bytesPerCommit: number;
}

async function benchmark(
  context: Context,
  own: OwnStack,
  levels: readonly number[],
  seconds: number,
): Promise<CatalogResult> {
  const { reporter, signal } = context;
  const task = reporter.task("Measuring");
  const url = (catalog: number) => `http://127.0.0.1:${catalogPort + catalog - 1}/iceberg`;
  const base = ["database", "object-store"];

  task.update("stopping what is not measured");
  await own.onlyRun([...base, "catalog-1"]);
  const first = await CatalogClient.connect(url(1), await own.sparkCatalogToken(), "warehouse", "bench");
  const second = first.at(url(2));
  const run = async (clients: CatalogClient[], tables: "one" | "many", writers: number) => {
    signal.throwIfAborted();
    task.update(`${clients.length} catalog(s), ${tables} table(s), ${writers} writer(s)`);
    return measure(own, clients, tables, writers, seconds, signal);
  };

  // Java compiles what it runs often.
  for (const tables of ["one", "many"] as const) await run([first], tables, 8);
  const nessie: CatalogMeasurement[] = [];
  const size = await databaseSize(own);
  for (const writers of levels) {
    for (const tables of ["one", "many"] as const) nessie.push(await run([first], tables, writers));
  }
  const written = nessie.reduce((sum, { commits }) => sum + commits, 0);
  const bytesPerCommit = Math.round(((await databaseSize(own)) - size) / written);

  task.update("starting the second catalog");
  await own.onlyRun([...base, "catalog-1", "catalog-2"]);
  await run([first, second], "many", 8);
  for (const writers of levels.filter((each) => each >= 8)) {
    for (const tables of ["one", "many"] as const) nessie.push(await run([first, second], tables, writers));
  }

  await own.onlyRun(["database"]);
  await preparePointers(own);
  const postgres: PointerMeasurement[] = [];
  for (const writers of levels) {
    for (const tables of ["one", "many"] as const) {
      signal.throwIfAborted();
      task.update(`PostgreSQL alone, ${tables} row(s), ${writers} writer(s)`);
      postgres.push(await measurePointers(own, tables, writers, Math.max(2, Math.round(seconds / 2))));
    }
  }
  task.done(`${nessie.length + postgres.length} measurements`);
  return { machine: machine(), seconds, nessie, postgres, bytesPerCommit };
}

async function measure(
  own: OwnStack,
  clients: readonly CatalogClient[],
  tables: "one" | "many",
  writers: number,
  seconds: number,
  signal: AbortSignal,
): Promise<CatalogMeasurement> {
  const names: string[] = [];
  for (let made = 0; made < (tables === "one" ? 1 : writers); made++) {
    const { name } = await (clients[0] as CatalogClient).create(
      `t_${crypto.randomUUID().replaceAll("-", "")}`,
    );
    names.push(name);
  }

  const before = await processorTime(own, clients.length);
  const start = performance.now();
  const end = start + seconds * 1000;
  const outcomes = await Promise.all(
    Array.from({ length: writers }, (_, writer) =>
      write(
        clients[writer % clients.length] as CatalogClient,
        names[writer % names.length] as string,
        () => performance.now() < end && !signal.aborted,
      ),
    ),
  );
  const elapsed = (performance.now() - start) / 1000;
  const after = await processorTime(own, clients.length);

  const latencies = outcomes.flatMap((outcome) => outcome.latencies);
  const sum = (key: "conflicts" | "errors") => outcomes.reduce((total, each) => total + each[key], 0);
  const commits = latencies.length;
  const each = (part: keyof Usage) => rounded((1000 * (after[part] - before[part])) / commits);
  return {
    tables,
    catalogs: clients.length,
    writers,
    commits,
    commitsPerSecond: rounded(commits / elapsed, 2),
    conflictShare: rounded(sum("conflicts") / (commits + sum("conflicts") + sum("errors")), 3),
    errors: sum("errors"),
    p50: rounded(percentile(latencies, 0.5)),
    p95: rounded(percentile(latencies, 0.95)),
    cpu: {
      catalog: each("catalog"),
      database: each("database"),
      objectStore: each("objectStore"),
      client: each("client"),
    },
  };
}

interface Outcome {
  /** Of each commit, ms. */
  latencies: number[];
  conflicts: number;
  errors: number;
}

/** One writer. As Iceberg's clients do, it looks at the table again when it has changed, and repeats; it does not wait. */
async function write(client: CatalogClient, name: string, goesOn: () => boolean): Promise<Outcome> {
  const outcome: Outcome = { latencies: [], conflicts: 0, errors: 0 };
  let table = await client.load(name);
  let start = performance.now();
  while (goesOn()) {
    const answer = await client.append(table).catch((error: unknown) => {
      if (!(error instanceof CatalogError)) throw error;
      return "error" as const;
    });
    if (answer === "committed") {
      outcome.latencies.push(performance.now() - start);
      start = performance.now();
    } else {
      outcome[answer === "conflict" ? "conflicts" : "errors"] += 1;
      table = await client.load(name);
    }
  }
  return outcome;
}

/** Bytes of the catalog's database on disk. */
async function databaseSize(own: OwnStack): Promise<number> {
  const [[size = ""] = []] = await own.sql("catalog", "VACUUM", "SELECT pg_database_size('catalog')");
  return Number(size);
}

type Usage = Record<"catalog" | "database" | "objectStore" | "client", number>;

/** Seconds of processor time so far. */
async function processorTime(own: OwnStack, catalogs: number): Promise<Usage> {
  const services = catalogs === 1 ? ["catalog-1"] : ["catalog-1", "catalog-2"];
  const [catalog, database, objectStore] = await Promise.all([
    own.cpuSeconds(services),
    own.cpuSeconds(["database"]),
    own.cpuSeconds(["object-store"]),
  ]);
  const { user, system } = process.cpuUsage();
  return { catalog, database, objectStore, client: (user + system) / 1e6 };
}

/** The measurements as tables. */
export function report({ nessie, postgres, bytesPerCommit }: CatalogResult): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const baseline = (tables: string, writers: number) =>
    postgres.find((each) => each.tables === tables && each.writers === writers);
  const main = nessie.map((each) => {
    const plain = baseline(each.tables, each.writers);
    const ratio =
      plain === undefined || each.commits === 0
        ? ""
        : `1 : ${(plain.commitsPerSecond / each.commitsPerSecond).toFixed(0)}`;
    return [
      String(each.catalogs),
      each.tables,
      String(each.writers),
      each.commitsPerSecond.toFixed(1),
      percent(each.conflictShare),
      String(each.errors),
      `${each.p50.toFixed(0)} ms`,
      `${each.p95.toFixed(0)} ms`,
      `${(each.cpu.catalog + each.cpu.database + each.cpu.objectStore).toFixed(0)} ms`,
      plain?.commitsPerSecond.toFixed(0) ?? "",
      ratio,
    ];
  });
  return [
    table(
      [
        ...[
          "catalogs",
          "tables",
          "writers",
          "commits/s",
          "HTTP 409",
          "errors",
          "p50",
          "p95",
          "processor each",
        ],
        ...["PostgreSQL alone/s", "ratio"],
      ],
      main,
    ),
    "",
    `Each commit adds ${bytes(bytesPerCommit)} to the catalog's database.`,
  ].join("\n");
}

export const command: Command = {
  usage,
  afterInterrupt: "Its stack is removed, unless it was to be kept (--keep).",
  async run(args, context) {
    const { values } = readOptions(usage, args, {
      writers: { type: "string", default: "1,2,4,8,16,32" },
      seconds: { type: "string", default: "4" },
      keep: { type: "boolean", default: false },
    });
    if (!/^[1-9]\d*(,[1-9]\d*)*$/.test(values.writers) || !/^[1-9]\d*$/.test(values.seconds)) {
      throw new UserError(
        `--writers is "${values.writers}" and --seconds "${values.seconds}", expected numbers with commas, and a number.`,
        usage,
      );
    }
    const levels = values.writers.split(",").map(Number);
    const result = await withOwnStack(context, values.keep, (own) =>
      benchmark(context, own, levels, Number(values.seconds)),
    );
    await publish("catalog", result, report(result), catalogChart(result));
    return 0;
  },
};

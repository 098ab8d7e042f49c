import { readFile, writeFile } from "node:fs/promises";
import type { Source } from "../infra/sources";
import { ensurePulumi, UserError } from "../toolchain/index";
import { AirflowClient } from "./airflow-client";
import { type Command, type Context, messageOf, readOptions } from "./command";
import { declaredSources } from "./declared-sources";
import { follow } from "./pipelines";
import { PulumiCli } from "./pulumi-cli";
import {
  type Entry,
  entryLine,
  openEntries,
  quarantineOf,
  readRepairs,
  type Repair,
  repairStatements,
  type Selection,
} from "./quarantine";
import { type StackOutputs, stackOutputs } from "./stack-outputs";
import { table } from "./table";
import { query } from "./trino-query";

const usage = `npm run source:replay -- SOURCE [options]
     tries the rows in a source's quarantine again, as the source is declared now
  --list             only shows what is open there, by reason
  --export FILE      writes what is open to a file, a JSON object a line: correct its row, or text
  --file FILE        takes the corrected rows from such a file, and tries these alone
  --discard          closes entries that nobody wants as rows; with --reason or --day
  --reason TEXT      only those whose reason has this text in it
  --day YYYY-MM-DD   only those of the objects of this day`;

interface Options extends Selection {
  list: boolean;
  export?: string | undefined;
  file?: string | undefined;
  discard: boolean;
}

/** What the replay reports, as far as it is told here. */
export interface Replayed {
  entries: number;
  inserted: number;
  updated: number;
  already_present: number;
  duplicates: number;
  discarded: number;
  left: number;
  without_text: number;
  reasons: Record<string, number>;
}

export const command: Command = {
  usage,
  afterInterrupt: "A replay that has begun goes on in Airflow. Tried again, it adds nothing twice.",
  async run(args, context) {
    const { values, positionals } = readOptions(
      usage,
      args,
      {
        list: { type: "boolean", default: false },
        export: { type: "string" },
        file: { type: "string" },
        discard: { type: "boolean", default: false },
        reason: { type: "string" },
        day: { type: "string" },
      },
      true,
    );
    const [name, ...others] = positionals;
    if (name === undefined || others.length > 0) throw new UserError("Name one source.", usage);
    check(values);
    const source = await sourceCalled(name, context.stack);
    const repairs = values.file === undefined ? undefined : readRepairs(await text(values.file), values.file);
    const quarantine = new Quarantine(source, await outputsOf(context));

    if (!(await quarantine.isThere())) {
      console.log(`Nothing of ${name} was ever kept aside: iceberg.${quarantineOf(source)} is not there.`);
    } else if (values.list) {
      console.log(await quarantine.overview(values));
    } else if (values.export !== undefined) {
      const entries = await quarantine.entries(values);
      await writeFile(values.export, entries.map((entry) => `${entryLine(entry)}\n`).join(""));
      console.log(
        `${counted(entries.length, "open entry")} in ${values.export}. Correct each row (or text) there, then: ` +
          `npm run source:replay -- ${name} --file ${values.export}`,
      );
    } else {
      if (repairs !== undefined) {
        const { open, changed } = await quarantine.repair(repairs);
        const rows = `${counted(repairs.length, "row")} in ${values.file ?? ""}`;
        if (open === 0) {
          console.log(`${rows}, of which none is an open entry of ${name}: were they replayed before?`);
          return 0;
        }
        console.log(`${rows}: ${open} of open entries, ${changed} newly repaired.`);
      }
      const { discard, reason, day } = values;
      const conf = { reason, day, discard, repaired: repairs !== undefined };
      console.log(`\n${summary(name, await quarantine.replay(conf, context))}`);
    }
    return 0;
  },
};

/** Refuses options that don't go together. */
function check({ list, export: to, file, discard, reason, day }: Options): void {
  const ways = [list && "--list", to !== undefined && "--export", file !== undefined && "--file"]
    .concat(discard && "--discard")
    .filter((way) => way !== false);
  if (ways.length > 1) throw new UserError(`${ways.join(" and ")} do not go together.`, usage);
  if (discard && reason === undefined && day === undefined)
    throw new UserError("Say which entries to discard: --reason TEXT or --day YYYY-MM-DD.", usage);
  if (day !== undefined && !/^\d{4}-\d\d-\d\d$/.test(day))
    throw new UserError(`--day is "${day}", expected a day such as 2018-04-16.`, usage);
}

async function sourceCalled(name: string, stack: string): Promise<Source> {
  const sources = await declaredSources(stack);
  const found = sources.find((source) => source.name === name);
  if (found !== undefined) return found;
  const names = sources.map((source) => source.name).join(", ");
  throw new UserError(`No source is called "${name}".`, `Declared are ${names}.`);
}

async function text(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: unknown) => {
    throw new UserError(`${file} can't be read: ${messageOf(error)}`, "Write it first: --export FILE.");
  });
}

async function outputsOf({ stack, reporter, signal }: Context): Promise<StackOutputs> {
  const { env } = await ensurePulumi(reporter, signal);
  const cli = new PulumiCli(stack, env, signal);
  if ((await cli.state()) === undefined)
    throw new UserError(`Stack ${stack} is not up.`, "Bring it up: npm run up");
  return stackOutputs(await cli.outputs());
}

/** The quarantine of a source, in a stack that is up. */
class Quarantine {
  private readonly name: string;

  constructor(
    private readonly source: Source,
    private readonly outputs: StackOutputs,
  ) {
    this.name = `iceberg.${quarantineOf(source)}`;
  }

  private async ask(statement: string): Promise<unknown[][]> {
    const { trinoUrl: url, trinoUser: user, trinoPassword: password, caCertificate: ca } = this.outputs;
    return query({ url, user, password, ca }, statement).catch((error: unknown) => {
      throw new UserError(
        `Trino could not be asked about ${this.name}: ${messageOf(error)}`,
        "npm run status",
      );
    });
  }

  /** Whether anything was ever kept aside. A table from before entries could be repaired gets the columns for that. */
  async isThere(): Promise<boolean> {
    const [namespace = "", name = ""] = quarantineOf(this.source).split(".");
    const columns = await this.ask(
      `SELECT column_name FROM iceberg.information_schema.columns
       WHERE table_schema = '${namespace}' AND table_name = '${name}'`,
    );
    const found = new Set(columns.map(([column]) => column));
    if (found.size === 0) return false;
    const times = "timestamp(6) with time zone";
    const added = {
      repaired_text: "varchar",
      resolution: "varchar",
      resolved_by: "varchar",
      resolved_at: times,
    };
    for (const [column, type] of Object.entries(added)) {
      if (!found.has(column)) await this.ask(`ALTER TABLE ${this.name} ADD COLUMN ${column} ${type}`);
    }
    return true;
  }

  /** What is open, by reason, with an example of each and what to do next. */
  async overview(selection: Selection): Promise<string> {
    const rows = await this.ask(
      `SELECT count(*), count(repaired_text), CAST(min(created_at_etl) AS date), CAST(max(created_at_etl) AS date), reason,
         min_by(source_file_name || ' ' || CAST(position AS varchar), created_at_etl)
       FROM ${this.name} WHERE ${openEntries(this.source, selection)} GROUP BY reason ORDER BY 1 DESC, reason`,
    );
    if (rows.length === 0) return `Nothing is open in ${this.name}.`;
    const total = rows.reduce((sum, [count]) => sum + Number(count), 0);
    const { name } = this.source;
    return [
      `${counted(total, "open entry")} in ${this.name}:\n`,
      table(
        ["entries", "repaired", "first", "last", "reason", "for example, file and position"],
        rows.map((row) => row.map(String)),
      ),
      `\nDeclared otherwise meanwhile? npm run source:replay -- ${name}`,
      `To be corrected by hand?     npm run source:replay -- ${name} --export FILE, then --file FILE`,
      `Not wanted?                  npm run source:replay -- ${name} --discard --reason TEXT`,
    ].join("\n");
  }

  /** The open entries that have a text, in the order of files. */
  async entries(selection: Selection): Promise<Entry[]> {
    const rows = await this.ask(
      `SELECT source_file_name, position, raw_sha256, reason, coalesce(repaired_text, raw_text)
       FROM ${this.name} WHERE ${openEntries(this.source, selection)} AND coalesce(repaired_text, raw_text) IS NOT NULL
       ORDER BY source_file_name, position`,
    );
    return rows.map(([file, position, sha256, reason, content]) => ({
      file: String(file),
      position: Number(position),
      sha256: String(sha256),
      reason: String(reason),
      text: String(content),
    }));
  }

  /** Writes repairs down; tells how many are of open entries, and how many of these have another text now. */
  async repair(repairs: readonly Repair[]): Promise<{ open: number; changed: number }> {
    const number = async (statement: string) => Number((await this.ask(statement))[0]?.[0] ?? 0);
    const done = { open: 0, changed: 0 };
    for (const { count, write } of repairStatements(this.source, repairs)) {
      const open = await number(count);
      done.open += open;
      if (open > 0) done.changed += await number(write);
    }
    return done;
  }

  /** Runs the replay in Airflow, to its end. */
  async replay(conf: Record<string, unknown>, { reporter, signal }: Context): Promise<Replayed> {
    const { airflowUrl, airflowUser, airflowPassword } = this.outputs;
    const airflow = await AirflowClient.login(airflowUrl, airflowUser, airflowPassword, signal);
    const dag = `replay_${this.source.name}`;
    const id = `replay-${new Date().toISOString()}`;
    const given = Object.fromEntries(Object.entries(conf).filter(([, value]) => value !== undefined));
    await airflow.awaitDag(dag);
    await airflow.unpause(dag);
    const task = reporter.task(`Replay of ${this.source.name}`);
    await airflow.trigger(dag, id, given);
    const remedy = "When the cause is mended, run the same command again: nothing is added twice.";
    await follow(airflow, { dag, id, title: dag, remedy }, task, signal);
    return (await airflow.result(dag, id, "replay")) as Replayed;
  }
}

/** What a replay has done, for a person. */
export function summary(name: string, replayed: Replayed): string {
  const { entries, inserted, updated, already_present, duplicates, discarded, left, without_text, reasons } =
    replayed;
  if (entries === 0) return `No open entry of ${name} is of that kind.`;
  if (discarded > 0) return `${counted(discarded, "entry")} of ${name} discarded.`;
  const closed = inserted + updated + already_present + duplicates;
  const others = [
    [updated, "updated"],
    [already_present, "in the table before"],
    [duplicates, "of a key that came twice"],
  ].filter(([count]) => count !== 0);
  const lines = [
    `${counted(entries, "entry")} of ${name} tried again: ${closed} closed (${[
      `${inserted} inserted`,
      ...others.map(([count, what]) => `${count ?? ""} ${what ?? ""}`),
    ].join(", ")}), ${left} still open.`,
  ];
  if (left > 0) {
    const rows = Object.entries(reasons).map(([reason, count]) => [String(count), reason]);
    lines.push("", table(["entries", "reason"], rows), "");
    lines.push(`To correct them: npm run source:replay -- ${name} --export FILE`);
  }
  if (without_text > 0)
    lines.push(
      `${counted(without_text, "damaged file")}: put it in order in the bucket, run its day again, and discard the entry.`,
    );
  return lines.join("\n");
}

const counted = (count: number, thing: string) =>
  `${count} ${count === 1 ? thing : thing.replace(/y$/, "ie").concat("s")}`;

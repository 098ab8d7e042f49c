import type { Task } from "../toolchain/index";
import { elapsed, ensurePulumi, UserError } from "../toolchain/index";
import { type Command, type Context, readOptions } from "./command";
import {
  columnFaults,
  type Content,
  CopyStatements,
  isSame,
  stagingSchema,
  type TableColumn,
  type TableToCopy,
  tablesToCopy,
} from "./copy-plan";
import { CopySide, StatementFailed, upOf } from "./copy-side";
import { transfers } from "./copied-files";
import { declaredSources } from "./declared-sources";
import { carrierOf, effectLater, effectSoon, tellTrino } from "./live-files";
import { bytes, table as aligned } from "./table";
import type { AdoptedUser } from "./user-store";

const usage = `npm run tables:copy -- --to STACK [options]
     copies the declared tables and the users of one stack to another: each row once, also when run again
  --from STACK             the stack to copy from; default: dev, or LAKESTACK_STACK
  --table NAME             only this table, or source; may be given several times
  --quarantine             also the rows that were kept aside, <table>_quarantine
  --no-users               leaves the users alone
  --from-trino URL, --from-object-store URL, --to-trino URL, --to-object-store URL
                           other addresses than the stack's outputs say, such as the ends of a port-forward`;

export const command: Command = {
  usage,
  afterInterrupt: "Run the same command again: it goes on where it stopped, and brings no row twice.",
  async run(args, context) {
    const { values } = readOptions(usage, args, {
      from: { type: "string", default: context.stack },
      to: { type: "string" },
      table: { type: "string", multiple: true, default: [] },
      quarantine: { type: "boolean", default: false },
      "no-users": { type: "boolean", default: false },
      "from-trino": { type: "string" },
      "from-object-store": { type: "string" },
      "to-trino": { type: "string" },
      "to-object-store": { type: "string" },
    });
    const { from: fromName, to: toName } = values;
    if (toName === undefined) throw new UserError("Say which stack to copy to: --to STACK.", usage);
    if (toName === fromName)
      throw new UserError(`--from and --to are both ${fromName}, expected two stacks.`, usage);
    const plans = tablesToCopy(await declaredSources(fromName), {
      only: values.table,
      quarantine: values.quarantine,
    });

    const { env } = await ensurePulumi(context.reporter, context.signal);
    const open = (name: string, side: "from" | "to") =>
      CopySide.open(
        name,
        side,
        { trino: values[`${side}-trino`], objectStore: values[`${side}-object-store`] },
        env,
        context.signal,
      );
    const from = await open(fromName, "from");
    const to = await open(toName, "to");
    try {
      await copyTables(from, to, plans, context);
      if (!values["no-users"]) await copyUsers(from, to, context);
    } finally {
      from.files.close();
      to.files.close();
    }
    return 0;
  },
};

/** A table whose columns have been found to fit. */
interface Ready extends TableToCopy {
  columns: TableColumn[];
}

/** What became of a table. */
interface Copied {
  table: string;
  content: Content;
  /** Rows that came with this run; the others were there. */
  brought: number;
  /** Of the files that came; bytes. */
  size: number;
  milliseconds: number;
}

async function copyTables(
  from: CopySide,
  to: CopySide,
  plans: readonly TableToCopy[],
  { reporter }: Context,
): Promise<void> {
  const { ready, absent } = await examine(from, to, plans);
  const copied: Copied[] = [];
  try {
    for (const each of ready) {
      const task = reporter.task(`${each.table} from ${from.stack} to ${to.stack}`);
      try {
        const done = await new TableCopy(from, to, each, task).run();
        copied.push(done);
        task.done(`${done.brought} of ${done.content.rows} rows brought`);
      } catch (error) {
        task.fail("not finished");
        throw error;
      }
    }
    for (const side of [from, to]) await side.dropStagingSchema();
  } finally {
    // Also of those that were done before another failed.
    if (copied.length > 0) console.log(summary(copied));
  }
  if (absent.length > 0) console.log(`\nNot in stack ${from.stack} yet: ${absent.join(", ")}`);
}

/** What was copied, as a table. */
export function summary(copied: readonly Copied[]): string {
  const rows = copied.map(({ table, content, brought, size, milliseconds }) => [
    table,
    String(content.rows),
    String(brought),
    String(content.rows - brought),
    size === 0 ? "" : bytes(size),
    content.checksum === "" ? "(no rows)" : content.checksum,
    elapsed(milliseconds),
  ]);
  return aligned(["table", "rows", "brought", "there before", "files", "checksum, both", "time"], rows);
}

/**
 * Looks at all tables before the first row is copied.
 *
 * @throws UserError with everything that is in the way.
 */
async function examine(from: CopySide, to: CopySide, plans: readonly TableToCopy[]) {
  const ready: Ready[] = [];
  const absent: string[] = [];
  const missing: string[] = [];
  const faults: string[] = [];
  for (const plan of plans) {
    const columns = await from.columns(plan.table);
    if (columns.length === 0) {
      absent.push(plan.table);
      continue;
    }
    const there = await to.columns(plan.table);
    if (there.length === 0 && !plan.madeWhenNeeded) missing.push(plan.table);
    const differences = there.length === 0 ? [] : columnFaults(columns, there);
    if (differences.length > 0) faults.push(`  ${plan.table}: ${differences.join("; ")}`);
    ready.push({ ...plan, columns });
  }
  if (missing.length > 0)
    throw new UserError(
      `Stack ${to.stack} has no table ${missing.join(", ")}. Nothing was copied.`,
      `Its pipelines make it: declare the source in the file that sourcesFile names for ${to.stack}, bring it up, ` +
        `${upOf(to.stack)}, and wait for create_tables in its Airflow. Or copy only others: --table NAME.`,
    );
  if (faults.length > 0)
    throw new UserError(
      `Tables have other columns in stack ${from.stack} than in stack ${to.stack}. Nothing was copied.\n${faults.join("\n")}`,
      "Declare the sources alike for both stacks and run create_tables, or change one of the tables with ALTER TABLE.",
    );
  return { ready, absent };
}

/** How often a table is read, or brought into, that somebody else writes to meanwhile. */
const attempts = 3;

/** How one table gets from one stack's Trino into the other's: docs/decisions/0038. */
class TableCopy {
  private readonly statements: CopyStatements;

  constructor(
    private readonly from: CopySide,
    private readonly to: CopySide,
    private readonly plan: Ready,
    private readonly task: Task,
  ) {
    this.statements = new CopyStatements(plan, plan.columns, { from: from.stack, to: to.stack });
  }

  /** Each step has been done or is done from its beginning, so that this can be interrupted anywhere and run again. */
  async run(): Promise<Copied> {
    const began = performance.now();
    const { statements, plan, from, to, task } = this;
    task.update("counting");
    if (plan.madeWhenNeeded) await to.ask(statements.createTable());
    let content = await from.content(statements.contentOf(statements.table));
    let size = 0;
    let brought = 0;
    if (!isSame(content, await to.content(statements.contentOf(statements.table))) && content.rows > 0) {
      if (!(await to.holds(statements.arrived, statements, content))) {
        content = await this.export(content);
        size = await this.send();
        await this.expect(content, "after their files had come", statements.contentOf(statements.arrived));
      }
      task.update(`bringing ${content.rows} rows into the table`);
      brought = await this.bring(content);
      const there = statements.contentShared(statements.table, statements.arrived);
      await this.expect(content, "in the table", there);
    }
    task.update("tidying up");
    await from.discard(statements.exported, statements.table);
    await to.discard(statements.arrived, statements.table);
    return { table: plan.table, content, brought, size, milliseconds: performance.now() - began };
  }

  /** Writes the table's rows into files; those of an earlier run are taken if they are what the table has. */
  private async export(content: Content): Promise<Content> {
    const { statements, from } = this;
    this.task.update(`exporting ${content.rows} rows`);
    await from.ask(`CREATE SCHEMA IF NOT EXISTS iceberg.${stagingSchema}`);
    let wanted = content;
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (await from.holds(statements.exported, statements, wanted)) return wanted;
      await from.discard(statements.exported, statements.table);
      await from.ask(statements.export());
      if (await from.holds(statements.exported, statements, wanted)) return wanted;
      wanted = await from.content(statements.contentOf(statements.table));
    }
    throw new UserError(
      `The table ${this.plan.table} of stack ${from.stack} was written to while it was read, ${attempts} times.`,
      "Pause its pipelines in Airflow for the time of the copy, and run the same command again.",
    );
  }

  /** Copies the files from store to store and makes a table of them there. @returns bytes of the files. */
  private async send(): Promise<number> {
    const { statements, from, to, task } = this;
    await to.ask(`CREATE SCHEMA IF NOT EXISTS iceberg.${stagingSchema}`);
    // One of an earlier run without rows has none of its files yet, which may be there all the same.
    const empty = { rows: 0, checksum: "" };
    if (!(await to.holds(statements.arrived, statements, empty))) {
      await to.discard(statements.arrived, statements.table);
      await to.ask(statements.createArrived());
    }
    const files = await from.filesOf(statements.exported);
    const location = `${await to.locationOf(statements.arrived)}/arrived`;
    const { missing, strays } = transfers(files, location, await to.files.list(location));
    await to.files.remove(strays);
    let done = files.size - missing.length;
    const queue = [...missing];
    const worker = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        task.update(`${done} of ${files.size} files copied`);
        await from.files.copyTo(next.from, next.size, to.files, next.to);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: filesAtOnce }, worker));
    task.update("reading them there");
    await to.ask(statements.addFiles(location));
    return [...files.values()].reduce((sum, size) => sum + size, 0);
  }

  /** Brings what has arrived into the table, in one commit. @returns how many rows were not there before. */
  private async bring(content: Content): Promise<number> {
    const { statements, to } = this;
    let there = await this.agreeing();
    const missing = content.rows - there;
    for (let attempt = 1; there < content.rows; attempt++) {
      try {
        await to.ask(statements.merge());
        break;
      } catch (error) {
        // It has added nothing: a MERGE is refused whole if anybody has written meanwhile, with one message or another.
        if (!(error instanceof StatementFailed) || attempt === attempts) throw error;
      }
      there = await this.agreeing();
    }
    return missing;
  }

  /** How many of the rows are in the table already. Refuses to go on if a row there has the same key and differs. */
  private async agreeing(): Promise<number> {
    const { statements, plan, from, to } = this;
    const ours = await to.content(statements.contentShared(statements.arrived, statements.table));
    const theirs = await to.content(statements.contentShared(statements.table, statements.arrived));
    if (isSame(ours, theirs)) return ours.rows;
    const examples = await to.ask(statements.conflicts(3));
    const shown = examples.map(
      (row) => `  ${plan.identity.map((name, index) => `${name} ${String(row[index])}`).join(", ")}`,
    );
    throw new UserError(
      [
        `The table ${plan.table} of stack ${to.stack} has rows with the same ${plan.identity.join(", ")} as rows of ` +
          `stack ${from.stack}, and other values. Nothing was added to it.`,
        ...(shown.length > 0 ? ["For example:", ...shown] : []),
      ].join("\n"),
      `Say which are right. If those of ${from.stack}: remove the others with DELETE FROM iceberg.${plan.table} WHERE …, in ` +
        `the Trino of ${to.stack}, and run the same command again. If those of ${to.stack}: copy the other tables only, --table NAME.`,
    );
  }

  private async expect(content: Content, where: string, statement: string): Promise<void> {
    const found = await this.to.content(statement);
    if (isSame(content, found)) return;
    const said = ({ rows, checksum }: Content) => `${rows} rows with checksum ${checksum || "none"}`;
    throw new UserError(
      `${this.plan.table}: stack ${this.to.stack} has ${said(found)} ${where}, expected ${said(content)} as in stack ` +
        `${this.from.stack}.`,
      "Pause the pipelines of the table in both stacks and run the same command again. If it is said again: do both stacks run " +
        "the same version of Trino?",
    );
  }
}

/** How many files are copied at the same time. */
const filesAtOnce = 4;

/** Copies who may log in to Trino, and says what became of each. */
async function copyUsers(from: CopySide, to: CopySide, context: Context): Promise<void> {
  const users = await (await to.users()).adopt(await from.users());
  console.log(`\n${userReport(users, from.stack, to.stack)}`);
  if (!users.some(({ outcome }) => outcome === "copied")) return;
  const carrier = carrierOf(to.state);
  if (carrier === undefined) console.log(effectLater);
  else {
    await tellTrino(to.cli, carrier, { ...context, stack: to.stack });
    console.log(carrier.type.startsWith("kubernetes:") ? effectSoon : "In effect: they can log in.");
  }
}

/** What became of the users, for a person. */
export function userReport(users: readonly AdoptedUser[], from: string, to: string): string {
  if (users.length === 0) return `Stack ${from} declares no users of its own.`;
  const outcomes = {
    copied: (user: AdoptedUser) =>
      user.hasPassword ? "copied, with the password" : "copied; has no password in either stack",
    present: ({ role, roleHere = role }: AdoptedUser) =>
      `was there already, left as it is${roleHere === role ? "" : `: ${roleHere}`}`,
    own: () => `not copied: the name is stack ${to}'s own`,
  };
  return aligned(
    ["user", "role", ""],
    users.map((user) => [user.name, user.role, outcomes[user.outcome](user)]),
  );
}

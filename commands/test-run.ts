import { PassThrough, type Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { elapsed } from "../toolchain/index";
import { messageOf } from "./command";
import { table } from "./table";
import { add, closingLine, type Counts, none } from "./test-counts";

interface Outcome {
  name: string;
  ok: boolean;
  counts: Counts;
  failures: readonly string[];
  started: number;
  milliseconds: number;
}

export interface StageResult {
  ok: boolean;
  counts: Counts;
  /** What failed and why: a few lines each. */
  failures?: readonly string[];
}

/** Does a stage's work, and prints where it is told to. */
export type StageWork = (output: Writable) => Promise<StageResult>;

/** Stages that run one after the other, printing to the same place. */
export interface Lane {
  /** @returns whether all was well. */
  stage(name: string, work: StageWork): Promise<boolean>;
  readonly output: Writable;
}

/** Runs stages and keeps the score. */
export class TestRun implements Lane {
  readonly output = process.stdout;
  private readonly started = performance.now();
  private readonly outcomes: Outcome[] = [];

  stage(name: string, work: StageWork): Promise<boolean> {
    return this.stageIn(this.output, name, work);
  }

  /**
   * Runs two lanes at the same time, as their stages wait for different things. The first prints as it goes; what
   * the second prints is kept until the first is through, so that no line stands among another stage's.
   *
   * @returns what the second returns.
   */
  async beside<T>(first: (lane: Lane) => Promise<void>, second: (lane: Lane) => Promise<T>): Promise<T> {
    const kept = new PassThrough({ highWaterMark: Number.MAX_SAFE_INTEGER });
    const lane: Lane = { output: kept, stage: (name, work) => this.stageIn(kept, name, work) };
    const [mine, aside] = await Promise.allSettled([
      first(this).finally(() => kept.pipe(this.output, { end: false })),
      second(lane).finally(() => kept.end()),
    ]);
    await finished(kept);
    if (mine.status === "rejected") throw mine.reason;
    if (aside.status === "rejected") throw aside.reason;
    return aside.value;
  }

  private async stageIn(output: Writable, name: string, work: StageWork): Promise<boolean> {
    output.write(`\n── ${name} ${"─".repeat(Math.max(3, 70 - name.length))}\n`);
    const started = performance.now();
    const result = await work(output).catch((error: unknown): StageResult => {
      output.write(`${messageOf(error)}\n`);
      return { ok: false, counts: none, failures: [messageOf(error)] };
    });
    const { ok, counts: told, failures = [] } = result;
    // A stage that breaks before or after its tests has failed, too.
    const counts = ok || told.failed > 0 ? told : { ...told, failed: 1 };
    this.outcomes.push({ name, ok, counts, failures, started, milliseconds: performance.now() - started });
    return ok;
  }

  /**
   * Prints what failed once more, as it may stand thousands of lines above, then the score, closing with one line that
   * machines read, too. @returns the exit code.
   */
  close(): number {
    const outcomes = this.outcomes.toSorted((a, b) => a.started - b.started);
    for (const { name, failures } of outcomes)
      for (const failure of failures) console.log(`\nFailed in ${name}: ${failure}`);
    const rows = outcomes.map(({ name, ok, counts, milliseconds }) => [
      name,
      ok ? "passed" : "FAILED",
      closingLine(counts),
      elapsed(milliseconds),
    ]);
    const whole = elapsed(performance.now() - this.started);
    console.log(`\n${table(["stage", "outcome", "tests", "time"], rows)}\n\nAll stages took ${whole}.`);
    const total = this.outcomes.reduce((sum, { counts }) => add(sum, counts), none);
    console.log(closingLine(total));
    return this.outcomes.every(({ ok }) => ok) ? 0 : 1;
  }
}

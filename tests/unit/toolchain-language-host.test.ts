import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  directDependencies,
  installedPackages,
  requiredPlugins,
} from "../../toolchain/language-host/packages";
import { nodeArguments } from "../../toolchain/language-host/program";
import { projectFolder } from "../../toolchain/project";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-packages-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function install(location: string, manifest: object) {
  const target = path.join(folder, location);
  mkdirSync(target, { recursive: true });
  writeFileSync(path.join(target, "package.json"), JSON.stringify(manifest));
}

describe("the plugins that a program needs", () => {
  it("are those that installed packages declare, at their versions, however deep", () => {
    install("node_modules/@pulumi/docker", {
      name: "@pulumi/docker",
      version: "5.2.1",
      pulumi: { resource: true, name: "docker", version: "5.2.0" },
    });
    install("node_modules/@pulumi/random", {
      name: "@pulumi/random",
      version: "4.1.0",
      pulumi: { resource: true },
    });
    install("node_modules/a/node_modules/@pulumi/docker", {
      name: "@pulumi/docker",
      version: "4.0.0",
      pulumi: { resource: true, server: "https://example.com" },
    });
    install("node_modules/@pulumi/pulumi", {
      name: "@pulumi/pulumi",
      version: "3.0.0",
      pulumi: { comment: "no plugin" },
    });
    install("node_modules/plain", { name: "plain", version: "1.0.0" });
    writeFileSync(path.join(folder, "node_modules", "plain", "package.json"), "{ not json");

    const program = path.join(folder, "stacks");
    mkdirSync(program);
    expect(requiredPlugins(program)).toEqual(
      expect.arrayContaining([
        { name: "docker", version: "5.2.0", server: "" },
        { name: "random", version: "4.1.0", server: "" },
        { name: "docker", version: "4.0.0", server: "https://example.com" },
      ]),
    );
    expect(requiredPlugins(program)).toHaveLength(3);
  });

  it("are, for this project, docker at the version installed", () => {
    const manifest = readFileSync(
      path.join(projectFolder, "node_modules/@pulumi/docker/package.json"),
      "utf8",
    );
    const { version } = JSON.parse(manifest) as { version: string };
    expect(requiredPlugins(path.join(projectFolder, "stacks"))).toContainEqual({
      name: "docker",
      version,
      server: "",
    });
  });
});

describe("a program's packages", () => {
  it("are, directly, those that its package.json names, at the versions installed", () => {
    install(".", {
      name: "p",
      dependencies: { a: "^1.0.0", missing: "1" },
      devDependencies: { "@s/b": "2" },
    });
    install("node_modules/a", { name: "a", version: "1.2.3" });
    install("node_modules/@s/b", { name: "@s/b", version: "2.0.0" });
    install("node_modules/indirect", { name: "indirect", version: "9.0.0" });
    expect(directDependencies(path.join(folder, "stacks"))).toEqual([
      { name: "a", version: "1.2.3" },
      { name: "@s/b", version: "2.0.0" },
    ]);
    expect(installedPackages(folder)).toContainEqual({ name: "indirect", version: "9.0.0" });
  });
});

it.each([
  ["--import tsx", ["--import", "tsx"]],
  ["  --a   --b=c ", ["--a", "--b=c"]],
  [`--title="two words" --x='it is'`, ["--title=two words", "--x=it is"]],
  ["", []],
])("reads node's options from '%s'", (nodeargs, expected) => {
  expect(nodeArguments({ nodeargs })).toEqual(expected);
});

import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { projectFolder } from "../../toolchain/project";

/** What a script prints as JSON in a process of its own, with the SDK as the program gets it. */
function printed(script: string): unknown {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--require", "./toolchain/lean-loading.cjs", "--eval", script],
    { cwd: projectFolder, encoding: "utf8" },
  );
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

const loaded = `
  const path = require("node:path");
  const loaded = () => ["typescript", "@npmcli/arborist"].filter((name) =>
    Object.keys(require.cache).some((file) => file.includes(path.join("node_modules", name) + path.sep)));
`;

describe("the SDK's late packages", () => {
  it("are not loaded with the SDK", () => {
    expect(printed(`${loaded} require("@pulumi/pulumi"); console.log(JSON.stringify(loaded()));`)).toEqual(
      [],
    );
  });

  it("are loaded by the SDK as it was, which the test above would otherwise not show", () => {
    const { stdout } = spawnSync(
      process.execPath,
      ["--eval", `${loaded} require("@pulumi/pulumi"); console.log(JSON.stringify(loaded()));`],
      { cwd: projectFolder, encoding: "utf8" },
    );
    expect(JSON.parse(stdout)).toEqual(["typescript", "@npmcli/arborist"]);
  });

  it("turn a function into text that does the same", () => {
    const text = printed(`
      const { runtime } = require("@pulumi/pulumi");
      const greeting = "good day";
      runtime.serializeFunction((name) => greeting + ", " + name).then(({ text }) => console.log(JSON.stringify(text)));
    `);
    const answer = printed(`
      const exported = {};
      new Function("exports", ${JSON.stringify(text)})(exported);
      console.log(JSON.stringify(exported.handler("lake")));
    `);
    expect(answer).toBe("good day, lake");
  });

  it("find the packages of a program", () => {
    const paths = printed(`
      const { runtime } = require("@pulumi/pulumi");
      runtime.computeCodePaths({}).then((paths) => console.log(JSON.stringify([...paths.keys()])));
    `);
    expect(paths).toContain("node_modules/fflate");
  });

  it("can't be put off where they are missing", () => {
    const asker = "node_modules/@pulumi/pulumi/typescript-shim.js";
    const found = printed(`
      const Module = require("node:module");
      const resolve = Module._resolveFilename;
      Module._resolveFilename = (request, ...rest) => {
        if (request === "typescript") throw new Error("not here");
        return resolve(request, ...rest);
      };
      console.log(JSON.stringify(require("./${asker}").version));
    `);
    expect(found).toBe("3.8.3");
  });

  it("stay what they are for everybody else", () => {
    expect(
      printed(`console.log(JSON.stringify(Object.keys(require("typescript")).includes("SyntaxKind")));`),
    ).toBe(true);
  });
});

describe("a loader that comes later", () => {
  it("gets the project's files and not those of packages", () => {
    expect(
      printed(`
        const Module = require("node:module");
        const seen = [];
        const before = Module._extensions[".js"];
        Module._extensions[".js"] = (module, file) => { seen.push(file); before(module, file); };
        require("fflate");
        const file = require("node:path").join(require("node:os").tmpdir(), "lakestack-lean-" + process.pid + ".js");
        require("node:fs").writeFileSync(file, "exports.answer = 42;");
        try { console.log(JSON.stringify([require(file).answer, seen.length, seen[0] === file])); }
        finally { require("node:fs").rmSync(file); }
      `),
    ).toEqual([42, 1, true]);
  });
});

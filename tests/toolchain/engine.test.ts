import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ensurePulumi, projectFolder, terminalReporter, type Tools } from "../../toolchain/index";
import versions from "../../versions.json";

/**
 * A small Pulumi project, driven by the real engine: whichever of the three ways it came, a program must not notice.
 */
let tools: Tools;
let folder: string;
let project: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  tools = await ensurePulumi(terminalReporter());
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-engine-"));
  project = path.join(folder, "project");
  mkdirSync(path.join(project, "stacks"), { recursive: true });
  mkdirSync(path.join(folder, "state"));
  symlinkSync(path.join(projectFolder, "node_modules"), path.join(project, "node_modules"));
  writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "scratch", private: true }));
  writeFileSync(
    path.join(project, "Pulumi.yaml"),
    [
      "name: scratch",
      "main: stacks/index.ts",
      "runtime:",
      "  name: nodejs",
      "  options:",
      "    typescript: false",
      "    nodeargs: --import tsx",
    ].join("\n"),
  );
  env = {
    ...process.env,
    ...tools.env,
    PULUMI_BACKEND_URL: `file://${folder}/state`,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
  };
  await pulumi("stack", "init", "test");
  await pulumi("config", "set", "greeting", "good day");
  await pulumi("config", "set", "--secret", "password", "opensesame");
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const preamble = 'import * as pulumi from "@pulumi/pulumi";\n';

/** A dynamic resource that is a file: its provider is a closure that the engine calls in another process. */
const textFile = `
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
interface Inputs { path: string; text: string }
const suffix: string = "!";
const provider: pulumi.dynamic.ResourceProvider<Inputs, Inputs> = {
  async create(inputs) {
    writeFileSync(inputs.path, inputs.text + suffix);
    return { id: inputs.path, outs: inputs };
  },
  async read(id, props) {
    return existsSync(id) ? { id, props: { ...props!, text: readFileSync(id, "utf8").slice(0, -1) } } : {};
  },
  async delete(id) { rmSync(id, { force: true }); },
};
class TextFile extends pulumi.dynamic.Resource {
  declare readonly text: pulumi.Output<string>;
  constructor(name: string, args: { path: pulumi.Input<string>; text: pulumi.Input<string> }, opts?: pulumi.CustomResourceOptions) {
    super(provider, name, args, opts);
  }
}
class Note extends pulumi.ComponentResource {
  readonly text: pulumi.Output<string>;
  constructor(name: string, file: string, opts?: pulumi.ComponentResourceOptions) {
    super("scratch:index:Note", name, {}, opts);
    this.text = new TextFile(name + "-file", { path: file, text: "noted" }, { parent: this }).text;
    this.registerOutputs({ text: this.text });
  }
}
`;

function program(text: string): void {
  writeFileSync(path.join(project, "stacks", "index.ts"), preamble + text);
}

interface Finished {
  code: number | null;
  output: string;
}

function start(args: readonly string[]): { child: ChildProcess; finished: Promise<Finished> } {
  const child = spawn("pulumi", [...args, "--non-interactive", "--color=never"], {
    cwd: project,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ code, output });
    });
  });
  return { child, finished };
}

async function tryPulumi(...args: string[]): Promise<Finished> {
  return start(args).finished;
}

async function pulumi(...args: string[]): Promise<string> {
  const { code, output } = await tryPulumi(...args);
  expect(code, output).toBe(0);
  return output;
}

const up = () => pulumi("up", "--yes", "--skip-preview", "--stack", "test");

/** The parts of the engine that run as processes of their own, started for this project. */
function processes(): string[] {
  const all = execFileSync("ps", ["-eo", "pid,args"], { encoding: "utf8" }).split("\n");
  return all.filter((line) => line.includes(project));
}

describe("the engine", () => {
  it("has the version pinned, or a later one if it is the user's own", async () => {
    const version = (await pulumi("version")).trim();
    if (tools.way === "installed") expect(version).toMatch(/^v3\./);
    else expect(version).toBe(`v${versions.pulumi}`);
  });

  it("is neither built nor downloaded when it was there before", async () => {
    let told = "";
    const reporter = terminalReporter({ write: (text) => (told += text) });
    expect(await ensurePulumi(reporter)).toEqual(tools);
    expect(told).not.toContain("Pulumi");
  });

  it("knows the plugins that the program's packages need", async () => {
    program("");
    const { plugins } = JSON.parse(await pulumi("about", "--json")) as {
      plugins: { name: string; version: string }[];
    };
    expect(plugins).toContainEqual(expect.objectContaining({ name: "docker", version: "5.2.0" }));
  });
});

describe("a program", () => {
  it("gives outputs, secret ones only when asked to", async () => {
    program('export const plain: string = "seen";\nexport const hidden = pulumi.secret("unseen");');
    expect(await up()).not.toContain("unseen");
    expect(JSON.parse(await pulumi("stack", "output", "--json"))).toEqual({
      plain: "seen",
      hidden: "[secret]",
    });
    expect(JSON.parse(await pulumi("stack", "output", "--json", "--show-secrets"))).toMatchObject({
      hidden: "unseen",
    });
    expect(await pulumi("stack", "export")).not.toContain("unseen");
  });

  it("is given its configuration, secret values as secrets", async () => {
    program(
      `const config = new pulumi.Config();
       export const greeting = config.require("greeting");
       export const password = config.requireSecret("password");
       export const names = [pulumi.getProject(), pulumi.getStack(), pulumi.runtime.isDryRun()].join(" ");`,
    );
    const output = await up();
    expect(output).toContain('greeting: "good day"');
    expect(output).toContain("password: [secret]");
    expect(output).toContain('names   : "scratch test false"');
    expect(output).not.toContain("opensesame");
  });

  it("has what it prints shown", async () => {
    program('console.log("to standard output"); console.error("to standard error");');
    const output = await up();
    expect(output).toContain("to standard output");
    expect(output).toContain("to standard error");
  });

  it("that ends with a RunError has its message shown, once and without a stack", async () => {
    program('throw new pulumi.RunError("Two values are wrong:\\n  workers: -1\\n  memory: lots");');
    const { code, output } = await tryPulumi("preview");
    expect(code).not.toBe(0);
    const diagnostics = output.slice(output.indexOf("Diagnostics:"));
    expect(diagnostics.match(/Two values are wrong/g)).toHaveLength(1);
    expect(diagnostics).toContain("workers: -1");
    expect(diagnostics).not.toMatch(/^\s+at /m);
    expect(diagnostics).not.toContain("exited with");
  });

  it("that fails unexpectedly has the error shown with the place", async () => {
    program("const nothing: { name: string }[] = [];\nconsole.log(nothing[0]!.name);");
    const { code, output } = await tryPulumi("preview");
    expect(code).not.toBe(0);
    expect(output).toContain("Cannot read properties of undefined (reading 'name')");
    expect(output).toContain("index.ts");
  });

  it("that ends itself is reported with its exit code", async () => {
    program("process.exit(3);");
    const { code, output } = await tryPulumi("preview");
    expect(code).not.toBe(0);
    expect(output).toContain("exit");
    expect(output).toContain("3");
  });
});

describe("resources", () => {
  let file: string;

  beforeEach(() => {
    file = path.join(folder, "note.txt");
    program(`${textFile}\nexport const text = new Note("note", ${JSON.stringify(file)}).text;`);
  });

  it("are created, left alone, found missing, made again and destroyed", async () => {
    expect(await pulumi("preview")).toContain("2 to create");
    expect(existsSync(file)).toBe(false);

    expect(await up()).toContain("2 created");
    expect(readFileSync(file, "utf8")).toBe("noted!");

    expect(await pulumi("up", "--yes")).not.toMatch(/created|updated|deleted|replaced/);

    expect(await pulumi("refresh", "--yes", "--skip-preview")).not.toMatch(/updated|deleted/);
    rmSync(file);
    expect(await pulumi("refresh", "--yes", "--skip-preview")).toContain("1 deleted");
    expect(await up()).toContain("1 created");
    expect(readFileSync(file, "utf8")).toBe("noted!");

    expect(await pulumi("destroy", "--yes", "--skip-preview")).toContain("3 deleted");
    expect(existsSync(file)).toBe(false);
  });
});

describe("an interrupt", () => {
  it("ends an update within seconds, leaves no process behind, and the next update goes on", async () => {
    const made = path.join(folder, "made.txt");
    const waiting = `${textFile}
      new TextFile("made", { path: ${JSON.stringify(made)}, text: "x" });
      export const hung = `;
    program(`${waiting} new Promise((resolve) => setTimeout(resolve, 600_000));`);
    const { child, finished } = start(["up", "--yes", "--skip-preview"]);
    await until(() => existsSync(made));
    expect(processes().length).toBeGreaterThan(0);

    const interrupted = Date.now();
    child.kill("SIGINT");
    const { code, output } = await finished;
    expect(code).not.toBe(0);
    expect(output).toContain("cancel");
    expect(Date.now() - interrupted).toBeLessThan(10_000);
    await until(() => processes().length === 0);

    program(`${waiting} "done";`);
    expect(await up()).toContain('hung: "done"');
    await pulumi("destroy", "--yes", "--skip-preview");
  });

  it("that kills the engine outright leaves no program running", async () => {
    program('process.on("SIGTERM", () => console.log("not now")); setTimeout(() => undefined, 600_000);');
    const { child, finished } = start(["up", "--yes", "--skip-preview"]);
    await until(() => processes().some((line) => line.includes("cmd/run")));
    child.kill("SIGKILL");
    await finished;
    await until(() => processes().length === 0);
    await pulumi("cancel", "--yes");
  });
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadline)
      throw new Error(`not within a minute: ${condition.toString()}\n${processes().join("\n")}`);
    await sleep(200);
  }
}

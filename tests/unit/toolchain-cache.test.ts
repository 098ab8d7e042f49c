import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cacheFolder, contentKey, makeOnce, replaceFile } from "../../toolchain/cache";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-cache-"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe("a content key", () => {
  it("is the same for the same parts", () => {
    expect(contentKey(["a", "b"])).toBe(contentKey(["a", "b"]));
    expect(contentKey(["a", "b"])).toMatch(/^[0-9a-f]{12}$/);
  });

  it.each([[["b", "a"]], [["ab"]], [["a", "b", ""]], [["a", "c"]]])("differs for %j", (parts) => {
    expect(contentKey(parts)).not.toBe(contentKey(["a", "b"]));
  });
});

describe("the cache folder", () => {
  it("is LAKESTACK_CACHE before XDG_CACHE_HOME before the home folder", () => {
    vi.stubEnv("HOME", "/home/someone");
    vi.stubEnv("LAKESTACK_CACHE", undefined);
    vi.stubEnv("XDG_CACHE_HOME", undefined);
    expect(cacheFolder()).toMatch(/^\/home\/someone\/(\.cache|Library\/Caches)\/lakestack$/);
    vi.stubEnv("XDG_CACHE_HOME", "/xdg");
    expect(cacheFolder()).toBe("/xdg/lakestack");
    vi.stubEnv("LAKESTACK_CACHE", "/own");
    expect(cacheFolder()).toBe("/own");
  });
});

describe("a file made once", () => {
  it("is not made again", async () => {
    const file = path.join(folder, "deep", "result");
    await makeOnce(file, async (temporary) => {
      writeFileSync(temporary, "first");
      return Promise.resolve();
    });
    await makeOnce(file, () => Promise.reject(new Error("made again")));
    expect(readFileSync(file, "utf8")).toBe("first");
  });

  it("leaves nothing behind when making it fails half way", async () => {
    const file = path.join(folder, "result");
    const failing = makeOnce(file, (temporary) => {
      writeFileSync(temporary, "half");
      return Promise.reject(new Error("interrupted"));
    });
    await expect(failing).rejects.toThrow("interrupted");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("is never seen half written by others", async () => {
    const file = path.join(folder, "result");
    writeFileSync(file, "old");
    await replaceFile(file, (temporary) => {
      writeFileSync(temporary, "new");
      expect(readFileSync(file, "utf8")).toBe("old");
      return Promise.resolve();
    });
    expect(readFileSync(file, "utf8")).toBe("new");
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Context } from "../../commands/command";
import { Settings } from "../../commands/settings";
import { carrierOf } from "../../commands/live-files";
import { command } from "../../commands/user";
import { type Configuration, UserStore } from "../../commands/user-store";
import { hashPassword, isPasswordHash } from "../../infra/password";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lakestack-users-"));
  writeFileSync(join(folder, "Pulumi.yaml"), "config: { trinoUser: { type: string, default: root } }\n");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** What pulumi would keep, and in which order it was asked to. */
class Kept implements Configuration {
  readonly stack = "dev";
  readonly asked: string[] = [];

  constructor(readonly secrets: Record<string, string> = {}) {}

  config(key: string): Promise<string | undefined> {
    return Promise.resolve(this.secrets[key]);
  }

  setSecret(key: string, value: string): Promise<void> {
    this.asked.push(`secret ${key}`);
    this.secrets[key] = value;
    return Promise.resolve();
  }

  setConfig(path: string, value: string): Promise<void> {
    this.asked.push(`${path} = ${value}`);
    return Promise.resolve();
  }

  removeConfig(path: string): Promise<void> {
    this.asked.push(`no ${path}`);
    return Promise.resolve();
  }

  get hashes(): Record<string, string> {
    return JSON.parse(this.secrets["userPasswords"] ?? "{}") as Record<string, string>;
  }
}

async function open(users: Record<string, string>, kept = new Kept()): Promise<[UserStore, Kept]> {
  const file = join(folder, "Pulumi.dev.yaml");
  writeFileSync(file, JSON.stringify({ config: { "lakestack:users": users } }));
  return [await UserStore.open(kept, await Settings.read("dev", folder)), kept];
}

const matches = (password: string, hash = "") =>
  isPasswordHash(hash) && hashPassword(password, hash.split(":")[1] ?? "") === hash;

describe("a user who is added", () => {
  it("gets a generated password, of which a hash is kept as a secret, before the role is", async () => {
    const [store, kept] = await open({});
    const password = await store.add("ann.b", "analyst");
    expect(password).toMatch(/^[A-Za-z0-9]{24}$/);
    expect(kept.asked).toEqual(["secret userPasswords", 'users["ann.b"] = analyst']);
    expect(matches(password, kept.hashes["ann.b"])).toBe(true);
    expect(JSON.stringify(kept.secrets)).not.toContain(password);
    expect(store.list()).toEqual([{ name: "ann.b", role: "analyst", hasPassword: true }]);
  });

  it("may have a password that somebody chose", async () => {
    const [store, kept] = await open({});
    expect(await store.add("ann", "etl", "correct horse: battery")).toBe("correct horse: battery");
    expect(matches("correct horse: battery", kept.hashes["ann"])).toBe(true);
  });

  it.each([
    ["without a role", "ann", undefined, undefined, "Which role is ann to have?"],
    ["with a role that there is not", "ann", "king", undefined, 'There is no role "king".'],
    ["a second time", "ben", "etl", undefined, "There is a user ben already, as analyst."],
    ["as the administrator", "root", "etl", undefined, "The user root is there already."],
    ["as Airflow", "airflow", "admin", undefined, "The user airflow is there already."],
    [
      "under a name that Trino would read otherwise",
      "a:b",
      "etl",
      undefined,
      '"a:b" cannot be a user\'s name.',
    ],
    ["with a short password", "ann", "etl", "short", "The password has 5 characters, expected at least 8."],
  ])("%s is refused, and nothing is kept", async (_, name, role, password, message) => {
    const [store, kept] = await open({ ben: "analyst" });
    await expect(store.add(name, role, password)).rejects.toThrow(message);
    expect(kept.asked).toEqual([]);
  });
});

describe("a user's password", () => {
  it("is changed, with another salt, and everybody else's stays", async () => {
    const before = { ann: hashPassword("old password", "00".repeat(16)), ben: "1000:00:00" };
    const [store, kept] = await open(
      { ann: "analyst", ben: "etl" },
      new Kept({ userPasswords: JSON.stringify(before) }),
    );
    const password = await store.changePassword("ann");
    expect(matches(password, kept.hashes["ann"])).toBe(true);
    expect(matches("old password", kept.hashes["ann"])).toBe(false);
    expect(kept.hashes["ben"]).toBe(before.ben);
    expect(kept.asked).toEqual(["secret userPasswords"]);
  });

  it("can't be changed here for the stack's own users, nor for unknown ones", async () => {
    const [store, kept] = await open({ ann: "analyst" });
    await expect(store.changePassword("root")).rejects.toThrow("The user root is the stack's own and stays.");
    await expect(store.changePassword("airflow")).rejects.toThrow("is the stack's own and stays");
    await expect(store.changePassword("anne")).rejects.toMatchObject({
      message: "There is no user anne.",
      remedy: "These are declared: ann",
    });
    expect(kept.asked).toEqual([]);
  });
});

describe("a user who is removed", () => {
  it("loses the role first, then the password", async () => {
    const kept = new Kept({ userPasswords: JSON.stringify({ ann: "1", ben: "2" }) });
    const [store] = await open({ ann: "analyst", ben: "etl" }, kept);
    await store.remove("ann");
    expect(kept.asked).toEqual(['no users["ann"]', "secret userPasswords"]);
    expect(kept.hashes).toEqual({ ben: "2" });
  });

  it("is not one of the stack's own", async () => {
    const [store, kept] = await open({});
    for (const name of ["root", "airflow", "drain"])
      await expect(store.remove(name), name).rejects.toThrow("is the stack's own and stays");
    expect(kept.asked).toEqual([]);
  });
});

describe("the declared users", () => {
  it("who have no password yet are listed as such", async () => {
    const [store] = await open({ ann: "analyst" });
    expect(store.list()).toEqual([{ name: "ann", role: "analyst", hasPassword: false }]);
  });

  it("that can't be used are told by key, with the file", async () => {
    await expect(open({ ann: "king" })).rejects.toThrow(
      /Pulumi\.dev\.yaml cannot be used:\n {2}users\.ann is "king", expected one of admin/,
    );
  });
});

describe("npm run user", () => {
  it.each(["docker:index/container:Container", "kubernetes:core/v1:Secret"])(
    "updates the one resource that brings Trino its users: %s, not the volume of the same name",
    (type) => {
      const resource = (type: string, name: string) => ({
        type,
        urn: `urn:pulumi:dev::lakestack::${type}::${name}`,
      });
      const wanted = resource(type, "trino-live");
      const others = [
        resource("docker:index/volume:Volume", "trino-live"),
        resource("docker:index/container:Container", "trino"),
      ];
      expect(carrierOf({ resources: [...others, wanted] })).toBe(wanted);
      expect(carrierOf({ resources: others })).toBeUndefined();
    },
  );

  const context = { stack: "dev", signal: new AbortController().signal } as Context;

  it.each([
    [["add", "ann", "hunter2", "--role", "analyst"], '"hunter2" is too much. A password is never given here'],
    [["add", "--role", "analyst"], "Say what to do, and with whom."],
    [["constructor", "ann"], "Say what to do, and with whom."],
    [["list", "ann"], "Say what to do, and with whom."],
    [["add", "ann", "--password", "hunter2"], "Unknown option '--password'"],
  ])("%j says what is wrong before anything is looked at", async (args, message) => {
    await expect(Promise.resolve().then(() => command.run(args, context))).rejects.toMatchObject({
      message: expect.stringContaining(message) as string,
      remedy: command.usage,
    });
  });
});

describe("users of another stack", () => {
  const hashOf = (password: string) => hashPassword(password, "00112233445566778899aabbccddeeff");
  const hashes = { ann: hashOf("first password"), ben: hashOf("second password") };
  const others = async () =>
    (
      await open(
        { ann: "analyst", ben: "etl", cat: "admin", root2: "admin" },
        new Kept({ userPasswords: JSON.stringify(hashes) }),
      )
    )[0];

  it("come with role and hash, hashes first; who is declared stays", async () => {
    const other = await others();
    const [store, kept] = await open(
      { ben: "analyst" },
      new Kept({ userPasswords: JSON.stringify({ ben: "kept" }) }),
    );
    const outcomes = (await store.adopt(other)).map(({ name, outcome, roleHere }) => [
      name,
      outcome,
      roleHere,
    ]);
    expect(outcomes).toEqual([
      ["ann", "copied", "analyst"],
      ["ben", "present", "analyst"],
      ["cat", "copied", "admin"],
      ["root2", "copied", "admin"],
    ]);
    expect(kept.hashes).toEqual({ ann: hashes.ann, ben: "kept" });
    expect(kept.asked).toEqual([
      "secret userPasswords",
      'users["ann"] = analyst',
      'users["cat"] = admin',
      'users["root2"] = admin',
    ]);
  });

  it("are not let in under the name of the stack's own administrator", async () => {
    const other = await others();
    writeFileSync(join(folder, "Pulumi.yaml"), "config: { trinoUser: { type: string, default: ann } }\n");
    const [store, kept] = await open({});
    const [ann] = await store.adopt(other);
    expect(ann).toMatchObject({ name: "ann", outcome: "own" });
    expect(Object.keys(kept.hashes)).toEqual(["ben"]);
  });

  it("who all are there change nothing", async () => {
    const other = await others();
    const [store, kept] = await open({ ann: "etl", ben: "etl", cat: "etl", root2: "etl" });
    expect((await store.adopt(other)).every(({ outcome }) => outcome === "present")).toBe(true);
    expect(kept.asked).toEqual([]);
  });
});

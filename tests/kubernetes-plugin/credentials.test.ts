import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { credentialsOf } from "../../toolchain/kubernetes-plugin/credentials";
import { accessOf, readKubeConfig, type UserEntry } from "../../toolchain/kubernetes-plugin/kubeconfig";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-credentials-"));
  for (const [name, text] of [
    ["ca.crt", "authority"],
    ["client.crt", "certificate"],
    ["client.key", "key"],
    ["token", "from a file\n"],
  ] as const)
    writeFileSync(path.join(folder, name), text);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function config(user: UserEntry, cluster: object = {}): string {
  return JSON.stringify({
    clusters: [
      { name: "c", cluster: { server: "https://c:6443", "certificate-authority": "ca.crt", ...cluster } },
    ],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });
}

/** As from a kubeconfig in the folder. */
async function credentials(user: UserEntry) {
  const file = path.join(folder, "config");
  writeFileSync(file, config(user));
  return credentialsOf(accessOf(readKubeConfig(file), {}));
}

test("certificates and tokens are read from files beside the kubeconfig, or from the kubeconfig itself", async () => {
  const files = await credentials({ "client-certificate": "client.crt", "client-key": "client.key" });
  expect(files.options).toMatchObject({
    ca: Buffer.from("authority"),
    cert: Buffer.from("certificate"),
    key: Buffer.from("key"),
  });
  const data = Buffer.from("inside").toString("base64");
  expect((await credentials({ "client-certificate-data": data })).options.cert).toEqual(
    Buffer.from("inside"),
  );
  expect((await credentials({ token: "t" })).headers).toEqual({ Authorization: "Bearer t" });
  expect((await credentials({ token: "t", tokenFile: "token" })).headers).toEqual({
    Authorization: "Bearer from a file",
  });
  expect((await credentials({ username: "u", password: "p" })).headers).toEqual({
    Authorization: "Basic dTpw",
  });
  expect((await credentials({ token: "t", as: "admin" })).headers).toMatchObject({
    "Impersonate-User": "admin",
  });
});

/** A command as a cloud provider's: answers with a credential for what it is told. */
function command(name: string, script: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

test("a command is asked for a token, and again when its time is over", async () => {
  const answer = '{"status":{"token":"\'"$1-$REGION"\'","expirationTimestamp":"2100-01-01T00:00:00Z"}}';
  const exec = {
    command: command("token-of", `echo '${answer}'`),
    args: ["cluster"],
    env: [{ name: "REGION", value: "north" }],
  };
  const found = await credentials({ exec });
  expect(found.headers).toEqual({ Authorization: "Bearer cluster-north" });
  expect(found.expires).toBe(Date.parse("2100-01-01T00:00:00Z") - 30_000);
});

test("a command that fails is named, with what it said and how to get it", async () => {
  const exec = { command: command("failing", "echo no session >&2; exit 1"), installHint: "Log in first" };
  await expect(credentials({ exec })).rejects.toThrow(/\(.*failing\) failed: no session\nLog in first/);
});

test("what the stand-in has not is refused by name", () => {
  const read = (text: string) => accessOf(readKubeConfig(text), {});
  expect(() => read(config({ "auth-provider": { name: "gcp" } }))).toThrow(/auth-provider is not supported/);
  expect(() => read(config({}, { "proxy-url": "socks5://p" }))).toThrow(/proxy-url is not supported/);
});

test("several kubeconfigs are one, and the first to name a thing has it", () => {
  const [first, second] = [path.join(folder, "first"), path.join(folder, "second")];
  writeFileSync(first, config({ token: "first" }));
  writeFileSync(
    second,
    config({ token: "second" }).replace('"current-context":"x"', '"current-context":"y"'),
  );
  const read = readKubeConfig(
    `${first}${path.delimiter}${path.join(folder, "none")}${path.delimiter}${second}`,
  );
  expect(read.currentContext).toBe("x");
  expect(accessOf(read, {}).user.token).toBe("first");
});

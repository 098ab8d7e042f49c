import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { passphraseState, withoutSecrets } from "../../commands/passphrase";
import { Settings } from "../../commands/settings";

/** Written by pulumi 3.250.0 with the passphrase "correct-horse". */
const configuration = `# A comment that stays.
config:
  # Another.
  lakestack:sparkWorkers: "2"
  lakestack:secrets:
    secure: v1:1zbNaPMEQ+UE4GQn:lDcsOLefq6DpoXMIO+IsLzaxntrmo/4=
  lakestack:sourceCredentials:
    aws:
      secretKey:
        secure: v1:a8MnDPc3GR03z7S4:AidvdXXyj4lNbvRWNk//lPmEXA==
encryptionsalt: v1:uQgzY2cx0h8=:v1:+lMVH7v/VevHH2Z6:8fqgVaoKJfCEBboiTRNUoJ05G+6qKw==
`;

describe("the passphrase", () => {
  test("the one that pulumi encrypted with fits", async () => {
    expect(await passphraseState(configuration, "correct-horse")).toBe("fits");
  });

  test("any other is wrong, and none is missing", async () => {
    expect(await passphraseState(configuration, "correct-house")).toBe("wrong");
    expect(await passphraseState(configuration, undefined)).toBe("missing");
  });

  test("a stack without secrets needs none", async () => {
    expect(await passphraseState("config:\n  lakestack:sparkWorkers: 1\n", undefined)).toBe("unused");
    expect(await passphraseState("", undefined)).toBe("unused");
  });
});

describe("starting over without the passphrase", () => {
  test("takes out the secrets and the salt, and leaves the rest as it was", () => {
    const { text, removed } = withoutSecrets(configuration);
    expect(removed).toEqual(["lakestack:secrets", "lakestack:sourceCredentials"]);
    expect(text).toBe('# A comment that stays.\nconfig:\n  # Another.\n  lakestack:sparkWorkers: "2"\n');
  });

  test("keeps the salt with the secrets that stay", () => {
    const { text, removed } = withoutSecrets(configuration, (key) => key !== "lakestack:secrets");
    expect(removed).toEqual(["lakestack:secrets"]);
    expect(text).toContain("encryptionsalt: v1:uQgz");
    expect(text).toContain("secure: v1:a8MnDP");
  });

  test("changes nothing where there is nothing secret", () => {
    const plain = "# Mine.\nconfig:\n  lakestack:platform: docker\n";
    expect(withoutSecrets(plain)).toEqual({ text: plain, removed: [] });
  });
});

describe("settings of a stack", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-settings-"));
    await writeFile(
      path.join(folder, "Pulumi.yaml"),
      [
        "config:",
        "  trinoPort: { type: integer, default: 8443 }",
        "  sparkWorkerPort: { type: integer, default: 5051 }",
        "  sparkWorkers: { type: integer, default: 2 }",
        "  objectStoreConsolePort: { type: integer, default: 9090 }",
        "  objectStoreConsole: { type: boolean, default: false }",
      ].join("\n"),
    );
    await writeFile(
      path.join(folder, "Pulumi.mine.yaml"),
      'config:\n  lakestack:trinoPort: "9443"\n  lakestack:sparkWorkers: "3"\n  lakestack:objectStoreConsole: "true"\n',
    );
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("are the declared defaults where the stack says nothing", async () => {
    const settings = await Settings.read("none", folder);
    expect(settings.get("sparkWorkers")).toBe(2);
    expect(settings.ports()).toEqual([
      ["trinoPort", 8443],
      ["sparkWorkerPort", 5051],
      ["sparkWorkerPort", 5052],
    ]);
  });

  test("are the stack's own where it says something, in the form that pulumi writes", async () => {
    const settings = await Settings.read("mine", folder);
    expect(settings.ports()).toEqual([
      ["trinoPort", 9443],
      ["sparkWorkerPort", 5051],
      ["sparkWorkerPort", 5052],
      ["sparkWorkerPort", 5053],
      ["objectStoreConsolePort", 9090],
    ]);
  });

  test("name the project's own ports", async () => {
    const ports = new Map((await Settings.read("no such stack")).ports());
    expect(ports.get("trinoPort")).toBe(8443);
    expect(ports.get("airflowPort")).toBe(8081);
    expect(ports.has("catalogPort")).toBe(false);
  });
});

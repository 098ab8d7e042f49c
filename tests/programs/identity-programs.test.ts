import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readConfig } from "../../infra/config";
import { completeSecrets } from "../../infra/secrets";
import { createAuthority } from "../../infra/tls";
import { dev } from "../../stacks/dev";
import { kubernetesStack } from "../../stacks/kubernetes";
import { configure, recordResources, type Registered, settle } from "../unit/registered";
import { hosts, identities } from "./variants";

vi.mock("../../infra/services/object-store-contents", () => import("../unit/object-store-stand-in.js"));

// Each test runs a whole program.
vi.setConfig({ testTimeout: 60_000 });

const folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-issuer-"));
const authority = path.join(folder, "authority.pem");
let secrets: string;

beforeAll(async () => {
  secrets = JSON.stringify(await completeSecrets({}, hosts));
  writeFileSync(authority, (await createAuthority("The issuer's")).certificate);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function run(program: typeof dev, platform: string): Promise<Registered[]> {
  configure({ ...identities, platform, secrets, oidcAuthoritiesFile: authority }, [
    "secrets",
    "oidcClientSecret",
  ]);
  const registered = await recordResources("test");
  await program(readConfig());
  await settle();
  return registered;
}

describe("a stack whose people come by an issuer", () => {
  it("has the client's secret in files of the two that log people in, and marked as one everywhere", async () => {
    const registered = await run(dev, "docker");
    const holders = registered.filter(({ inputs }) =>
      JSON.stringify(inputs).includes(identities.oidcClientSecret),
    );
    expect(holders.map(({ name }) => name).sort()).toEqual(["airflow-api", "trino"]);
    for (const { name, inputs, secretInputs } of holders) {
      const open = Object.entries(inputs).filter(([key]) => !secretInputs.includes(key));
      expect(JSON.stringify(open), name).not.toContain(identities.oidcClientSecret);
    }
  });

  it("has the catalog trust the issuer's authority before it starts", async () => {
    const registered = await run(dev, "docker");
    const { entrypoints, command } = registered.find(
      ({ type, name }) => type.endsWith(":Container") && name === "catalog",
    )?.inputs as { entrypoints: string[]; command: string[] };
    const [shell, option, script, name, program] = [...entrypoints, ...command];
    expect([shell, option, name, program]).toEqual(["/bin/sh", "-c", "sh", "java"]);
    expect(script).toMatch(/keytool -importcert .* -file \/etc\/nessie\/issuer-1\.pem && exec "\$@"$/);
  });

  it("lets those three reach the issuer, and nobody else, on a cluster", async () => {
    const registered = await run(kubernetesStack, "kubernetes");
    const reaching = registered.filter(
      ({ type, inputs }) => type.endsWith(":NetworkPolicy") && JSON.stringify(inputs).includes('"port":8444'),
    );
    expect(reaching.map(({ name }) => name.replace("-connections", "")).sort()).toEqual([
      "airflow-api",
      "catalog",
      "trino",
    ]);
  });
});

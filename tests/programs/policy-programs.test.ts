import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readConfig } from "../../infra/config";
import type { StackConfig } from "../../infra/config";
import { completeSecrets } from "../../infra/secrets";
import { rules } from "../../policy/rules";
import type { Subject } from "../../policy/subject";
import { dev } from "../../stacks/dev";
import { kubernetesStack } from "../../stacks/kubernetes";
import { configure, recordResources, settle } from "../unit/registered";
import { verdict } from "../unit/verdict";
import { doors, gatewayDoors, hosts, others } from "./variants";

vi.mock("../../infra/services/object-store-contents", () => import("../unit/object-store-stand-in.js"));

const folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-policy-"));
const pem = path.join(folder, "authority.pem");
let secrets: Awaited<ReturnType<typeof completeSecrets>>;

beforeAll(async () => {
  secrets = await completeSecrets({}, hosts);
  // Public, and in a file that everybody may see.
  writeFileSync(pem, secrets.caCertificate);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Every resource of a program that runs with some settings, as the pack sees it. */
async function subjects(
  program: (config: StackConfig) => Promise<unknown>,
  values: Record<string, string>,
): Promise<Subject[]> {
  const document = JSON.stringify(secrets);
  configure({ ...values, secrets: document, databaseAdministratorPassword: secrets.databasePassword }, [
    "secrets",
    "databaseAdministratorPassword",
  ]);
  const registered = await recordResources("test");
  await program(readConfig());
  await settle();
  return registered.map(({ type, name, inputs }) => ({ type, name, props: inputs, protect: false }));
}

const onDocker = (values: Record<string, string> = {}) => subjects(dev, { platform: "docker", ...values });
const onKubernetes = (values: Record<string, string> = {}) =>
  subjects(kubernetesStack, { platform: "kubernetes", ...values });

const everything = {
  objectStoreConsole: "true",
  publishCatalog: "true",
  trinoWorkers: "1",
  sparkWorkers: "2",
};

/** The rules of the pack that a program has resources for. */
const askedOf = (all: Subject[]) =>
  rules.filter(({ types }) => all.some(({ type }) => types.includes(type))).map(({ name }) => name);

describe("the whole program on Docker", () => {
  it.each([
    ["as it is", {}],
    ["with all that can be switched on", everything],
  ])("%s breaks no rule of the policy pack", async (_, values) => {
    const all = await onDocker(values);
    expect(verdict(all)).toEqual([]);
    expect(askedOf(all)).toEqual([
      ...["loopback-only", "container-confined", "own-networks", "container-limited", "no-docker-socket"],
      ...["no-capabilities", "no-new-privileges", "image-pinned", "no-plain-secret"],
    ]);
  });
});

describe("the whole program on Kubernetes", () => {
  it.each([
    ["as it is", {}],
    ["with its doors open", doors(pem)],
    ["with gateways at its doors", gatewayDoors],
    ["with a store and a database of others", others(pem)],
    ["with images from a registry", { imageRegistry: "registry.example.com/lake" }],
  ])("%s breaks no rule of the policy pack", async (_, values) => {
    const all = await onKubernetes(values);
    expect(verdict(all)).toEqual([]);
    expect(askedOf(all)).toEqual(
      expect.arrayContaining(["pod-confined", "pod-not-root", "pod-image-pinned", "no-plain-secret"]),
    );
  });

  it("may open the object store without TLS only where the network is said to be trusted", async () => {
    const all = await onKubernetes({ objectStoreDoor: "load-balancer", trustedNetwork: "true" });
    expect(verdict(all)).toEqual([
      expect.stringMatching(/^no-plain-door: object-store-door: port 9000 is open to everybody/),
    ]);
    expect(verdict(all, { trustedNetwork: true })).toEqual([]);
  });
});

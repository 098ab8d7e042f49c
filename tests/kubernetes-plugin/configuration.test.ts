import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  configurationDiff,
  configurationFaults,
  readConfiguration,
} from "../../toolchain/kubernetes-plugin/configuration";
import { UNKNOWN } from "../../toolchain/plugin-protocol/provider";

const kubeconfig = (server: string) =>
  JSON.stringify({
    clusters: [
      { name: "a", cluster: { server } },
      { name: "b", cluster: { server: "https://b:6443" } },
    ],
    users: [{ name: "u", user: { token: "t" } }],
    contexts: [
      { name: "one", context: { cluster: "a", user: "u", namespace: "team" } },
      { name: "two", context: { cluster: "b", user: "u" } },
    ],
    "current-context": "one",
  });

const given = { kubeconfig: kubeconfig("https://a:6443") };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-kubeconfig-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const faults = (config: object) =>
  configurationFaults({ ...config }).map(({ path: at, reason }) => `${at}: ${reason}`);
const serverOf = (config: object) => readConfiguration({ ...config }).access.cluster.server;

describe("the provider's configuration", () => {
  test("takes a kubeconfig's content or path, a context, a cluster and a namespace", () => {
    const file = path.join(folder, "config");
    writeFileSync(file, given.kubeconfig);
    expect(
      faults({ kubeconfig: file, namespace: "n", context: "two", enableServerSideApply: "true" }),
    ).toEqual([]);
    expect(serverOf(given)).toBe("https://a:6443");
    expect(serverOf({ kubeconfig: file })).toBe("https://a:6443");
    expect(serverOf({ ...given, context: "two" })).toBe("https://b:6443");
    expect(serverOf({ ...given, cluster: "b" })).toBe("https://b:6443");
    expect(readConfiguration({ ...given }).namespace).toBe("team");
    expect(readConfiguration({ ...given, context: "two" }).namespace).toBe("default");
    expect(readConfiguration({ ...given, namespace: "n" }).namespace).toBe("n");
  });

  test("names what is not there", () => {
    expect(faults({ ...given, context: "three" })).toEqual([
      'kubeconfig: the kubeconfig has no context "three"; it has: one, two',
    ]);
    expect(faults({ ...given, cluster: "c" })).toEqual([
      'kubeconfig: the kubeconfig has no cluster "c"; it has: a, b',
    ]);
    expect(faults({ kubeconfig: "/no/such/file" })).toEqual([
      "kubeconfig: expected the content of a kubeconfig, or the path of one that exists",
    ]);
  });

  test("refuses by name what the stand-in has not, unless it is off", () => {
    expect(faults({ ...given, renderYamlToDirectory: "out" })).toMatchObject([
      expect.stringMatching(/^renderYamlToDirectory: not supported/),
    ]);
    expect(faults({ ...given, enableServerSideApply: "false" })).toMatchObject([
      expect.stringMatching(/^enableServerSideApply: the stand-in has server-side apply only/),
    ]);
    expect(faults({ ...given, skipUpdateUnreachable: "false", alwaysRender: null })).toEqual([]);
    expect(faults({ ...given, enableSecretMutable: "maybe" })).toEqual([
      "enableSecretMutable: expected true or false",
    ]);
  });

  test("is not judged while it is not known", () => {
    expect(faults({ kubeconfig: UNKNOWN })).toEqual([]);
  });

  test("takes switches from the environment too, and the program's first", () => {
    process.env["PULUMI_K8S_ENABLE_SECRET_MUTABLE"] = "true";
    try {
      expect(readConfiguration({ ...given }).mutability.secrets).toBe(true);
      expect(readConfiguration({ ...given, enableSecretMutable: "false" }).mutability.secrets).toBe(false);
    } finally {
      delete process.env["PULUMI_K8S_ENABLE_SECRET_MUTABLE"];
    }
  });
});

describe("a changed configuration", () => {
  const other = { kubeconfig: kubeconfig("https://elsewhere:6443") };

  test("means another provider where it leads to another cluster", () => {
    expect(configurationDiff(given, other)).toMatchObject({ replace: true });
    expect(configurationDiff(given, { ...given, context: "two" })).toMatchObject({ replace: true });
    expect(configurationDiff(given, { ...given, namespace: "n" })).toMatchObject({
      replace: false,
      differences: [{ property: "namespace", kind: "add" }],
    });
    expect(configurationDiff(given, given)).toMatchObject({ replace: false, differences: [] });
  });

  test("goes by the cluster's identifier where there is one", () => {
    expect(
      configurationDiff({ ...given, clusterIdentifier: "a" }, { ...other, clusterIdentifier: "a" }),
    ).toMatchObject({ replace: false });
    expect(
      configurationDiff({ ...given, clusterIdentifier: "a" }, { ...given, clusterIdentifier: "b" }),
    ).toMatchObject({ replace: true });
  });

  test("means no other provider while it is not known", () => {
    expect(configurationDiff(given, { kubeconfig: UNKNOWN })).toMatchObject({ replace: false });
  });
});

import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../toolchain/kubernetes-plugin/kube-object";
import { withIgnored } from "../../toolchain/kubernetes-plugin/managed-fields";

const mine = "pulumi-kubernetes-1a2b3c4d";
const replicas = { "f:spec": { "f:replicas": {} } };

const wanted: KubeObject = {
  kind: "Deployment",
  metadata: { name: "web", labels: { changed: "yes" } },
  spec: { replicas: 2, paused: true },
};

/** As the API server has it, with five replicas that these managers own. */
const live = (...managers: string[]): KubeObject => ({
  kind: "Deployment",
  metadata: { name: "web", managedFields: managers.map((manager) => ({ manager, fieldsV1: replicas })) },
  spec: { replicas: 5 },
});

const applied = (found: KubeObject | undefined, ...ignored: string[]) =>
  withIgnored(wanted, found, ignored, mine)["spec"];

describe("a field whose changes the program ignores", () => {
  test("is left out where another manager alone owns it", () => {
    expect(applied(live("kube-controller-manager"), "spec.replicas")).toEqual({ paused: true });
  });

  test("keeps the value that it has where the program owns it, alone or with others", () => {
    expect(applied(live(mine), "spec.replicas")).toEqual({ replicas: 5, paused: true });
    expect(applied(live(mine, "kube-controller-manager"), "spec.replicas")).toEqual({
      replicas: 5,
      paused: true,
    });
  });

  test("keeps the value that it has where nobody owns it", () => {
    expect(applied(live(), "spec.replicas")).toEqual({ replicas: 5, paused: true });
  });

  test("is as the program wants it where there is none yet, and all else is too", () => {
    expect(applied(live(), "spec.paused")).toEqual({ replicas: 2, paused: true });
    expect(applied(undefined, "spec.replicas")).toEqual({ replicas: 2, paused: true });
  });

  test("is as the program wants it inside a list", () => {
    const list = { kind: "Pod", spec: { containers: [{ image: "web:2" }] } };
    const found = { kind: "Pod", spec: { containers: [{ image: "web:1" }] } };
    expect(withIgnored(list, found, ["spec.containers[0].image"], mine)).toEqual(list);
  });

  test("may be a whole branch", () => {
    expect(applied(live("kube-controller-manager"), "spec")).toBeUndefined();
    expect(applied(live(mine), "spec")).toEqual({ replicas: 5 });
  });
});

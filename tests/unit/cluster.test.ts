import { readFileSync } from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { kubeconfigFile, outsideKubeconfig } from "../../toolchain/cluster/kubeconfig";
import { nodeName } from "../../toolchain/cluster/load-images";
import { portTaken, refusal } from "../../toolchain/cluster/node-container";
import { clusterSettings } from "../../toolchain/cluster/settings";
import { projectFolder } from "../../toolchain/project";
import { UserError } from "../../toolchain/user-error";
import versions from "../../versions.json";

const read = (file: string) => readFileSync(path.join(projectFolder, "toolchain", "cluster", file), "utf8");

describe("the cluster's settings", () => {
  it("have defaults for everything", () => {
    expect(clusterSettings({})).toEqual({
      name: "lakestack-cluster",
      apiPort: 16443,
      ports: [
        { host: 17443, node: 8443 },
        { host: 17081, node: 8081 },
        { host: 17900, node: 9000 },
      ],
      kubeconfig: undefined,
      kind: undefined,
    });
  });

  it("come from the environment", () => {
    const settings = clusterSettings({
      LAKESTACK_CLUSTER_NAME: "mine",
      LAKESTACK_CLUSTER_API_PORT: "6443",
      LAKESTACK_CLUSTER_PORTS: "8080:80, 8443:443",
      LAKESTACK_CLUSTER: "own",
      LAKESTACK_KUBECONFIG: "/home/me/config",
    });
    expect(settings).toEqual({
      name: "mine",
      apiPort: 6443,
      ports: [
        { host: 8080, node: 80 },
        { host: 8443, node: 443 },
      ],
      kubeconfig: "/home/me/config",
      kind: "own",
    });
  });

  it.each([
    ["LAKESTACK_CLUSTER_NAME", "Mine"],
    ["LAKESTACK_CLUSTER_API_PORT", "70000"],
    ["LAKESTACK_CLUSTER_API_PORT", "https"],
    ["LAKESTACK_CLUSTER_PORTS", "17443"],
    ["LAKESTACK_CLUSTER_PORTS", "17443:8443:1"],
    ["LAKESTACK_CLUSTER_PORTS", "17443:8443,17443:8081"],
    ["LAKESTACK_CLUSTER_PORTS", "16443:8443"],
    ["LAKESTACK_CLUSTER", "minikube"],
  ])("refuse %s=%s with what was expected", (name, value) => {
    expect(() => clusterSettings({ [name]: value })).toThrow(new RegExp(`^${name} is "${value}", expected`));
  });

  it("name all faults at once", () => {
    const faulty = () => clusterSettings({ LAKESTACK_CLUSTER_NAME: "_", LAKESTACK_CLUSTER_API_PORT: "0" });
    expect(faulty).toThrow(/LAKESTACK_CLUSTER_NAME[^]*LAKESTACK_CLUSTER_API_PORT/);
  });
});

describe("the kubeconfig", () => {
  const inside = `apiVersion: v1
kind: Config
clusters: [{ name: lakestack, cluster: { server: "https://127.0.0.1:6443", certificate-authority-data: QQ== } }]
users: [{ name: lakestack, user: { client-key-data: Qg== } }]
contexts: [{ name: lakestack, context: { cluster: lakestack, user: lakestack } }]
current-context: lakestack
`;

  it("leads to the published port, under the cluster's name", () => {
    expect(parse(outsideKubeconfig(inside, "mine", 16443))).toEqual({
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: "mine",
          cluster: { server: "https://127.0.0.1:16443", "certificate-authority-data": "QQ==" },
        },
      ],
      users: [{ name: "mine", user: { "client-key-data": "Qg==" } }],
      contexts: [{ name: "mine", context: { cluster: "mine", user: "mine" } }],
      "current-context": "mine",
    });
  });

  it("is kept in the project, one a cluster", () => {
    expect(path.relative(projectFolder, kubeconfigFile("lakestack-cluster"))).toBe(
      ".lakestack/cluster/kubeconfig",
    );
    expect(path.relative(projectFolder, kubeconfigFile("mine"))).toBe(".lakestack/cluster/mine.kubeconfig");
  });
});

describe("an image's name in the cluster", () => {
  it.each([
    ["trino:1", "docker.io/library/trino:1"],
    ["trino", "docker.io/library/trino:latest"],
    ["acme/trino:1", "docker.io/acme/trino:1"],
    ["localhost:5000/trino", "localhost:5000/trino:latest"],
    ["registry.example/acme/trino:1", "registry.example/acme/trino:1"],
    ["localhost/trino:1", "localhost/trino:1"],
  ])("%s is %s", (reference, name) => {
    expect(nodeName(reference)).toBe(name);
  });
});

describe("what Docker refuses", () => {
  const settings = clusterSettings({});
  const said = (message: string) =>
    refusal(Object.assign(new Error("HTTP 500"), { json: { message } }), settings);

  it.each([
    "driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:17081 failed: port is already allocated",
    "driver failed programming external connectivity: Error starting userland proxy: listen tcp4 127.0.0.1:17081: bind: address already in use",
  ])("is named when a port is taken: %s", (message) => {
    const error = said(message) as UserError;
    expect(error.message).toContain("Port 17081 of 127.0.0.1 is taken");
    expect(error.remedy).toContain("LAKESTACK_CLUSTER_PORTS");
  });

  it("is named when it is the API server's port", () => {
    expect(portTaken(16443, settings, "nginx (process 812)").message).toContain(
      "taken by nginx (process 812)",
    );
    expect(portTaken(16443, settings).remedy).toContain("LAKESTACK_CLUSTER_API_PORT=17443");
  });

  it("is explained when it is rights or cgroups", () => {
    expect(said("unable to apply caps: operation not permitted")).toMatchObject({
      message: expect.stringContaining("needs more rights") as string,
      remedy: expect.stringContaining("LAKESTACK_KUBECONFIG") as string,
    });
    expect(said("cgroup namespaces aren't enabled in the kernel")).toBeInstanceOf(UserError);
    const other = new Error("something else");
    expect(refusal(other, settings)).toBe(other);
  });
});

describe("the cluster's versions", () => {
  const modules = ["kubernetes", "coredns"].map((program) => read(`programs/${program}/go.mod`)).join("");

  it.each(Object.entries(versions.cluster))("agree with the modules on %s", (name, version) => {
    expect(modules).toMatch(
      new RegExp(`^\\s*(require )?${name.replaceAll(".", "\\.")} ${version}( |$)`, "m"),
    );
  });

  it("are one Kubernetes in all its parts", () => {
    const staging = versions.cluster["k8s.io/kubernetes"].replace(/^v1\./, "v0.");
    const replaced = [...modules.matchAll(/^\s*k8s\.io\/[\w-]+ => k8s\.io\/[\w-]+ (\S+)$/gm)];
    expect(replaced.length).toBeGreaterThan(25);
    expect(new Set(replaced.map(([, version]) => version))).toEqual(new Set([staging]));
    expect(read("node/agent/go.mod")).toContain(`k8s.io/client-go ${staging}`);
  });
});

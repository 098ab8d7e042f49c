import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { containerMemory } from "../../commands/machine-facts";
import { type Cluster, loadImages, stopCluster } from "../../toolchain/cluster/index";
import { untilFinished } from "../../toolchain/image-transfer";
import { terminalReporter } from "../../toolchain/index";
import {
  cluster,
  docker,
  kubectl,
  Namespace,
  node,
  pod,
  policy,
  service,
  settings,
  until,
  webServer,
} from "./cluster";

const reporter = terminalReporter();
const space = new Namespace("node-test");
let up: Cluster;

beforeAll(async () => {
  up = await cluster();
  await space.create();
});

afterAll(async () => {
  await space.remove();
});

const claim = (name: string) => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
});

const withVolume = (name: string, line?: string) =>
  pod(
    name,
    line,
    { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }] },
    { volumeMounts: [{ name: "data", mountPath: "/data" }] },
  );

/** Whether a pod can fetch a page from another within two seconds. */
const reaches = (from: string, address: string) =>
  space.sh(from, `wget -q -T 2 -O - http://${address}/`).then(
    (text) => text.trim(),
    () => "unreachable",
  );

describe("the cluster", () => {
  it("has a ready node, a default StorageClass, and a kubeconfig that nobody else can read", async () => {
    expect(await kubectl(["get", "nodes", "--no-headers"])).toMatch(/^lakestack\s+Ready\s/);
    expect(await kubectl(["get", "storageclasses", "--no-headers"])).toContain("local-path (default)");
    expect(statSync(up.kubeconfig).mode & 0o777).toBe(0o600);
  });

  it("asked for again costs no more than a look", async () => {
    const { State: before } = await node.inspect();
    const start = performance.now();
    await cluster();
    expect(performance.now() - start).toBeLessThan(10_000);
    expect((await node.inspect()).State.StartedAt).toBe(before.StartedAt);
  });

  it("holds less than a gibibyte of memory when idle", async () => {
    // What has just been worked on leaves garbage, which the node's programs collect and give back bit by bit.
    const memory = await until(
      "less than a gibibyte held",
      () => containerMemory(docker, settings.name),
      (bytes) => bytes < 1024 ** 3,
    );
    console.log(`The node holds ${Math.round(memory / 1024 ** 2)} MiB.`);
  });
});

describe("names", () => {
  beforeAll(async () => {
    await space.apply(
      pod("web", webServer("here")),
      service("web", { ports: [{ port: 80, targetPort: 8080 }] }),
    );
    await space.apply(pod("asker"));
    await space.ready("web", "asker");
  });

  it("of services are known to pods, and lead to the pods behind them", async () => {
    const { spec } = JSON.parse(await space.run("get", "service", "web", "-o", "json")) as {
      spec: { clusterIP: string };
    };
    expect(await space.sh("asker", "nslookup web.node-test.svc.cluster.local")).toContain(spec.clusterIP);
    expect(
      await until(
        "the service",
        () => reaches("asker", "web"),
        (text) => text === "here",
      ),
    ).toBe("here");
  });

  it("of the outside are asked of the name server that Docker gives the node", async () => {
    const { NetworkSettings } = await node.inspect();
    const address = NetworkSettings.Networks[settings.name]?.IPAddress ?? "none";
    expect(await space.sh("asker", `nslookup ${settings.name}.`)).toContain(address);
  });
});

describe("network policies", () => {
  beforeAll(async () => {
    await space.apply(
      pod("server", webServer("served")),
      service("server", { ports: [{ port: 80, targetPort: 8080 }] }),
      pod("friend"),
      pod("stranger"),
    );
    await space.ready("server", "friend", "stranger");
    for (const from of ["friend", "stranger"])
      await until(
        from,
        () => reaches(from, "server"),
        (text) => text === "served",
      );
  });

  it("let in whom they name and nobody else", async () => {
    await space.apply(
      policy("server", {
        podSelector: { matchLabels: { app: "server" } },
        policyTypes: ["Ingress"],
        ingress: [
          {
            from: [{ podSelector: { matchLabels: { app: "friend" } } }],
            ports: [{ port: 8080, protocol: "TCP" }],
          },
        ],
      }),
    );
    await until(
      "the stranger",
      () => reaches("stranger", "server"),
      (text) => text === "unreachable",
    );
    expect(await reaches("friend", "server")).toBe("served");
    await space.run("delete", "networkpolicy", "server");
    await until(
      "the stranger",
      () => reaches("stranger", "server"),
      (text) => text === "served",
    );
  });

  it("let pods go where they say and nowhere else, the node's own ports included", async () => {
    const toNames = {
      to: [
        {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
          podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
        },
      ],
      ports: [{ port: 53, protocol: "UDP" }],
    };
    const api = () =>
      space
        .sh("stranger", "nc -w 2 kubernetes.default 443 < /dev/null && echo open || echo closed")
        .then((text) => text.trim());
    expect(await api()).toBe("open");
    await space.apply(
      policy("stranger", {
        podSelector: { matchLabels: { app: "stranger" } },
        policyTypes: ["Egress"],
        egress: [toNames],
      }),
    );
    await until(
      "the stranger",
      () => reaches("stranger", "server"),
      (text) => text === "unreachable",
    );
    expect(await api()).toBe("closed");
    expect(await space.sh("stranger", "nslookup server.node-test.svc.cluster.local")).toContain("Address");

    const toServer = { to: [{ podSelector: { matchLabels: { app: "server" } } }], ports: [{ port: 8080 }] };
    await space.apply(
      policy("stranger", {
        podSelector: { matchLabels: { app: "stranger" } },
        policyTypes: ["Egress"],
        egress: [toNames, toServer],
      }),
    );
    await until(
      "the stranger",
      () => reaches("stranger", "server"),
      (text) => text === "served",
    );
    expect(await reaches("stranger", "web")).toBe("unreachable");
  });
});

describe("a Service of type LoadBalancer", () => {
  const [door] = settings.ports;

  it("answers on this machine's loopback address", async () => {
    if (door === undefined) throw new Error("LAKESTACK_CLUSTER_PORTS names no port");
    await space.apply(pod("door", webServer("welcome")));
    await space.apply(
      service("door", { type: "LoadBalancer", ports: [{ port: door.node, targetPort: 8080 }] }),
    );
    await space.ready("door");
    // Docker takes the connection before there is a door behind it, and such a request may never be told of its end.
    const page = () =>
      Promise.race([
        fetch(`http://127.0.0.1:${door.host}/`).then((answer) => answer.text()),
        sleep(5000, "no answer for 5 s"),
      ]);
    await until("the page", page, (text) => text.trim() === "welcome");
  });

  it("that asks for a port that another has stays pending and says why", async () => {
    await space.apply(
      service("late", { type: "LoadBalancer", selector: { app: "door" }, ports: [{ port: door?.node }] }),
    );
    const events = () => space.run("get", "events", "--field-selector", "involvedObject.name=late");
    await until("an event", events, (text) => text.includes("is taken by the Service node-test/door"));
    expect(await space.run("get", "service", "late", "-o", "jsonpath={.status.loadBalancer.ingress}")).toBe(
      "",
    );
  });
});

describe("pods", () => {
  it("are not evicted against their disruption budget", async () => {
    await space.apply(pod("guarded"), {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "guarded" },
      spec: { minAvailable: 1, selector: { matchLabels: { app: "guarded" } } },
    });
    await space.ready("guarded");
    const budget = () => space.run("get", "pdb", "guarded", "-o", "jsonpath={.status.currentHealthy}");
    await until("the budget", budget, (healthy) => healthy === "1");
    const eviction = {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: "guarded", namespace: space.name },
    };
    const evict = () =>
      kubectl(
        ["create", "--raw", `/api/v1/namespaces/${space.name}/pods/guarded/eviction`, "-f", "-"],
        JSON.stringify(eviction),
      );
    await expect(evict()).rejects.toThrow("disruption budget");
    await space.run("delete", "pdb", "guarded");
    await evict();
  });

  it("that use more memory than their limit are killed for it", async () => {
    const limits = { resources: { limits: { memory: "32Mi" } } };
    await space.apply(pod("glutton", "tail /dev/zero", { restartPolicy: "Never" }, limits));
    const reason = () =>
      space.run(
        "get",
        "pod",
        "glutton",
        "-o",
        "jsonpath={.status.containerStatuses[0].state.terminated.reason}",
      );
    expect(await until("the end", reason, (text) => text !== "")).toBe("OOMKilled");
  });
});

describe("measurements", () => {
  beforeAll(async () => {
    await space.apply(pod("burner", "while :; do :; done"), pod("idler"));
    await space.ready("burner", "idler");
  });

  it("of pods and of the node are served as on any cluster", async () => {
    const used = (name: string) =>
      space
        .run("top", "pod", name, "--no-headers")
        .then((line) => /^\S+\s+(\d+)m\s+(\d+)Mi\s*$/.exec(line)?.slice(1).map(Number) ?? []);
    // A share of a core that it gets on a busy machine, too.
    await until(
      "the busy pod",
      () => used("burner"),
      ([milli = 0]) => milli > 100,
    );
    const [milli = Number.NaN] = await until(
      "the idle pod",
      () => used("idler"),
      (found) => found.length === 2,
    );
    expect(milli).toBeLessThan(20);
    await space.run("delete", "pod", "burner");
    expect(await kubectl(["top", "node", "--no-headers"])).toMatch(/^lakestack\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%/);
  });

  it("are told to nobody but the API server, which asks who may see them", async () => {
    const answer = await space.sh(
      "idler",
      "wget -q -T 5 --no-check-certificate -O - https://10.95.0.1:10251/apis/metrics.k8s.io/v1beta1/pods 2>&1 || true",
    );
    expect(answer).not.toContain("PodMetrics");
    const may = (...as: string[]) =>
      kubectl(["auth", "can-i", "list", "pods.metrics.k8s.io", "-n", space.name, ...as]).catch(String);
    expect(await may("--as", "system:serviceaccount:kube-system:horizontal-pod-autoscaler")).toContain("yes");
    expect(await may("--as", `system:serviceaccount:${space.name}:default`)).toContain("no");
  });
});

describe("images of the Docker engine", () => {
  it("run in the cluster once they are loaded, and are sent only once", async () => {
    const name = `lakestack-cluster-test-${randomBytes(4).toString("hex")}:1`;
    const folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-cluster-"));
    try {
      // A program that needs nothing beside it is a whole image.
      const archive = await node.getArchive({ path: "/usr/local/bin/coredns" });
      writeFileSync(path.join(folder, "root.tar"), await collect(archive));
      const [repo, tag] = name.split(":");
      await untilFinished(
        await docker.importImage(path.join(folder, "root.tar"), { repo, tag, changes: 'CMD ["/coredns"]' }),
      );
      expect(await loadImages(up, [name], { docker, reporter })).toEqual({ loaded: [name], present: [] });
      expect(await loadImages(up, [name], { docker, reporter })).toEqual({ loaded: [], present: [name] });
      const command = ["/coredns", "-version"];
      await space.apply(pod("loaded", "", { restartPolicy: "Never" }, { image: name, command }));
      const log = () => space.run("logs", "loaded");
      expect(await until("its output", log, (text) => text !== "")).toContain("CoreDNS");
    } finally {
      rmSync(folder, { recursive: true });
      await docker.getImage(name).remove();
    }
  });
});

describe("data and pods", () => {
  it("outlive a pod, and a stop of the whole cluster", async () => {
    await space.apply(claim("data"), withVolume("writer", "echo kept > /data/file && sync && sleep 3600"));
    await space.ready("writer");
    await space.run("delete", "pod", "writer");
    await space.apply(withVolume("reader"));
    await space.ready("reader");
    expect(await space.sh("reader", "cat /data/file")).toBe("kept\n");

    expect(await stopCluster({ docker, settings, reporter })).toBe(true);
    const start = performance.now();
    await cluster();
    console.log(`Started again in ${Math.round((performance.now() - start) / 1000)} s.`);

    await space.ready("reader", "web", "asker");
    expect(await space.sh("reader", "cat /data/file")).toBe("kept\n");
    await until(
      "the service",
      () => reaches("asker", "web"),
      (text) => text === "here",
    );
    // Policies are in force again, too.
    expect(await reaches("stranger", "web")).toBe("unreachable");
  });
});

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

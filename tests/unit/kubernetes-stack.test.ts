import type * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../../infra/config";
import { connections } from "../../infra/connections";
import { completeSecrets } from "../../infra/secrets";
import type { SecretValues } from "../../infra/secrets";
import { kubernetesStack } from "../../stacks/kubernetes";
import { evaluate } from "../aws/graph";
import { configure, recordResources, settle } from "./registered";
import type { Registered } from "./registered";

interface Container {
  name: string;
  image: string;
  imagePullPolicy: string;
  command: string[];
  env: { name: string; value?: string; valueFrom?: unknown }[];
  resources: { limits: { memory: string }; requests: { memory: string; cpu: string } };
  securityContext: Record<string, unknown>;
  volumeMounts: { name: string; mountPath: string; subPath?: string }[];
  startupProbe?: unknown;
  livenessProbe?: unknown;
}

interface Pod {
  metadata: { labels: Record<string, string>; annotations: Record<string, string> };
  spec: {
    automountServiceAccountToken: boolean;
    serviceAccountName: string;
    securityContext: Record<string, unknown>;
    initContainers?: Container[];
    containers: Container[];
    volumes: { name: string; emptyDir?: object }[];
    topologySpreadConstraints: { topologyKey: string; whenUnsatisfiable: string }[];
  };
}

interface Policy {
  spec: { ingress: { from?: { podSelector?: { matchLabels: Record<string, string> } }[] }[] };
}

let registered: Registered[];
let outputs: Record<string, pulumi.Output<string> | string>;
let secrets: SecretValues;

const kind = (type: string) => registered.filter((each) => each.type === `kubernetes:${type}`);

/** Every pod that the stack runs, by the name of what runs it. */
function pods(): [name: string, pod: Pod][] {
  return ["apps/v1:Deployment", "apps/v1:StatefulSet", "batch/v1:Job"].flatMap((type) =>
    kind(type).map(({ name, inputs }): [string, Pod] => [
      name,
      (inputs as { spec: { template: Pod } }).spec.template,
    ]),
  );
}

beforeAll(async () => {
  secrets = await completeSecrets({}, allHosts);
  configure(
    {
      platform: "kubernetes",
      trinoWorkers: "2",
      trinoWorkersMost: "4",
      scaleBusyPercent: "60",
      scaleIdleSeconds: "120",
      catalogReplicas: "2",
      audit: "true",
      trinoDoor: "load-balancer",
      trinoHosts: "trino.example.org",
      airflowDoor: "ingress",
      airflowHost: "airflow.example.org",
      certificateIssuer: "letsencrypt",
      secrets: JSON.stringify(secrets),
    },
    ["secrets"],
  );
  registered = await recordResources("test");
  outputs = await kubernetesStack(readConfig());
  await settle();
});

const allHosts = [
  ...["localhost", "127.0.0.1", "trino", "lakestack-test-trino", "trino.example.org"],
  ...["trino.lakestack", "trino.lakestack.svc", "trino.lakestack.svc.cluster.local"],
];

describe("the Kubernetes stack", () => {
  it("runs what has data as StatefulSets, the rest as Deployments, one-off steps as Jobs", () => {
    const names = (type: string) =>
      kind(type)
        .map(({ name }) => name)
        .sort();
    expect(names("apps/v1:StatefulSet")).toEqual(["airflow-scheduler", "audit", "database", "object-store"]);
    expect(names("apps/v1:Deployment")).toEqual([
      ...["airflow-api", "airflow-dag-processor", "airflow-triggerer", "catalog", "spark-history"],
      ...["spark-master", "spark-worker", "trino", "trino-worker"],
    ]);
    expect(names("batch/v1:Job")).toEqual(["airflow-api-prepare", "object-store-contents"]);
  });

  it("makes a namespace that allows nothing which the restricted standard forbids", () => {
    const [namespace] = kind("core/v1:Namespace");
    expect(namespace?.inputs).toMatchObject({
      metadata: { name: "lakestack", labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
  });

  it("runs every container without root, rights, token or a writable image", () => {
    expect(pods().length).toBe(15);
    for (const [name, { spec }] of pods()) {
      expect(spec.automountServiceAccountToken, name).toBe(false);
      expect(spec.securityContext, name).toMatchObject({
        runAsNonRoot: true,
        runAsUser: 10001,
        seccompProfile: { type: "RuntimeDefault" },
      });
      for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
        expect(container.securityContext, name).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
        expect(container.resources.limits.memory, name).toMatch(/^\d+Mi$/);
        expect(container.resources.requests, name).toMatchObject({ cpu: "25m" });
      }
    }
  });

  it("gives every service a probe, and no restart to those that merely wait for another", () => {
    for (const { name, inputs } of [...kind("apps/v1:Deployment"), ...kind("apps/v1:StatefulSet")]) {
      const [container] = (inputs as { spec: { template: Pod } }).spec.template.spec.containers;
      expect(container?.startupProbe, name).toBeDefined();
      const waits = ["airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"].includes(name);
      expect(container?.livenessProbe === undefined, name).toBe(waits);
    }
  });

  it("shows no secret in a pod or ConfigMap, and hands all of them over by Secrets", () => {
    const shown = JSON.stringify(registered.filter(({ type }) => type !== "kubernetes:core/v1:Secret"));
    const kept = JSON.stringify(kind("core/v1:Secret"));
    for (const [secret, value] of Object.entries<string>({ ...secrets })) {
      const text = JSON.stringify(value).slice(1, -1);
      expect(shown.includes(text), secret).toBe(false);
      // What signs never leaves; who is outside has no file; of the administrator's password Trino has the hash.
      const stays = ["caKey", "catalogTokenKey", "outsideCatalogToken", "trinoPassword"].includes(secret);
      expect(kept.includes(text), secret).toBe(!stays);
    }
  });

  it("puts every file where Docker puts it", () => {
    const trino = pods().find(([name]) => name === "trino")?.[1].spec.containers[0];
    const paths = trino?.volumeMounts.map(({ mountPath }) => mountPath) ?? [];
    expect(paths).toEqual(expect.arrayContaining(["/etc/trino/config.properties", "/etc/trino/access"]));
    expect(paths).toEqual(expect.arrayContaining(["/tmp", "/var/lib/trino"]));
  });

  it("refuses every connection that is not declared", () => {
    const policies = new Map(
      kind("networking.k8s.io/v1:NetworkPolicy").map(({ name, inputs }) => [name, inputs]),
    );
    expect(policies.get("deny-all")).toMatchObject({ spec: { policyTypes: ["Ingress", "Egress"] } });
    expect(policies.get("deny-all")).not.toHaveProperty("spec.ingress");
    const text = (name: string) => JSON.stringify(policies.get(`${name}-connections`));
    const calledBy = (name: string) =>
      (policies.get(`${name}-connections`) as unknown as Policy).spec.ingress;
    const callers = calledBy("database").flatMap(({ from = [] }) =>
      from.map(({ podSelector }) => podSelector?.matchLabels["app.kubernetes.io/name"]),
    );
    expect(callers).toEqual(connections["database"]?.["postgresql"]);
    expect(text("trino")).not.toContain("database");
    expect(calledBy("airflow-triggerer")).toEqual([]);
    expect(text("airflow-scheduler")).toContain('"endPort":7299');
  });

  it("lets the doors be called from outside, and nothing else", () => {
    const open = kind("networking.k8s.io/v1:NetworkPolicy").filter(({ inputs }) =>
      (inputs as { spec: { ingress?: { from?: unknown }[] } }).spec.ingress?.some(
        ({ from }) => from === undefined,
      ),
    );
    expect(open.map(({ name }) => name).sort()).toEqual(["airflow-api-connections", "trino-connections"]);
    const outside = kind("core/v1:Service").filter(({ inputs }) => {
      const { type } = (inputs as { spec: { type?: string } }).spec;
      return type !== undefined;
    });
    expect(outside.map(({ name }) => name)).toEqual(["trino-door"]);
    expect(kind("networking.k8s.io/v1:Ingress")[0]?.inputs).toMatchObject({
      metadata: { annotations: { "cert-manager.io/cluster-issuer": "letsencrypt" } },
      spec: { tls: [{ hosts: ["airflow.example.org"], secretName: "airflow-api-door-tls" }] },
    });
  });

  it("puts equal instances on different nodes and into different zones, as far as there are any", () => {
    const keysOf = (name: string) =>
      pods()
        .find(([pod]) => pod === name)?.[1]
        .spec.topologySpreadConstraints.map((each) => [each.topologyKey, each.whenUnsatisfiable]);
    const spread = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];
    for (const name of ["catalog", "spark-worker", "trino-worker"])
      expect(keysOf(name), name).toEqual(spread.map((key) => [key, "ScheduleAnyway"]));
    expect(keysOf("database")).toEqual([]);
  });

  it("keeps the services with several instances available while nodes are emptied", () => {
    const budgets = kind("policy/v1:PodDisruptionBudget").map(({ name }) => name);
    expect(budgets.sort()).toEqual(["catalog-budget", "spark-worker-budget", "trino-worker-budget"]);
  });

  it("scales Trino's workers with load, and then gives a number for their beginning only", async () => {
    const scale = kind("autoscaling/v2:HorizontalPodAutoscaler").find(
      ({ name }) => name === "trino-worker-scale",
    );
    expect(scale?.inputs).toMatchObject({
      spec: {
        minReplicas: 2,
        maxReplicas: 4,
        metrics: [{ resource: { target: { type: "AverageValue", averageValue: "600m" } } }],
        behavior: { scaleDown: { stabilizationWindowSeconds: 120 } },
      },
    });
    const values = { platform: "kubernetes", trinoWorkers: "2", trinoWorkersMost: "4" };
    const known = JSON.stringify(await completeSecrets({}, [...allHosts, "lakestack-prod-trino"]));
    const program = async () => ({ ...(await kubernetesStack(readConfig())) });
    const graph = await evaluate(program, { ...values, secrets: known }, ["secrets"]);
    const worker = (name: string) => graph.one("kubernetes:apps/v1:Deployment", name);
    expect(worker("trino-worker")).toMatchObject({
      inputs: { spec: { replicas: 2 } },
      ignoreChanges: ["spec.replicas"],
    });
    // A fixed number is its autoscaler's as well, or one that is switched off would set its own once more.
    expect(worker("spark-worker").ignoreChanges).toEqual(["spec.replicas"]);
    expect(
      graph.one("kubernetes:autoscaling/v2:HorizontalPodAutoscaler", "spark-worker-scale").inputs,
    ).toMatchObject({ spec: { minReplicas: 2, maxReplicas: 2 } });
  });

  it("drains a Trino worker before it goes", () => {
    const [worker] = pods().flatMap(([name, pod]) => (name === "trino-worker" ? [pod] : []));
    expect(worker?.spec).toMatchObject({
      terminationGracePeriodSeconds: 600,
      containers: [
        { lifecycle: { preStop: { exec: { command: ["/bin/bash", "/opt/lakestack/drain-trino"] } } } },
      ],
    });
  });

  it("gives Trino a certificate of the stack's authority unless cert-manager makes one", () => {
    expect(kind("cert-manager.io/v1:Certificate")).toEqual([]);
    const live = kind("core/v1:Secret").find(({ name }) => name === "trino-live")?.inputs["stringData"];
    expect(Object.keys(live as object)).toContain("tls.pem");
  });

  it("has the dev stack's outputs and the namespace", () => {
    expect(Object.keys(outputs).sort()).toEqual(
      [
        ...["jdbcUrl", "trinoUrl", "airflowUrl", "sparkMasterUrl", "objectStoreUrl", "catalogUrl"],
        ...["trinoUser", "airflowUser", "objectStoreUser", "kubernetesNamespace"],
        ...["trinoPassword", "airflowPassword", "objectStorePassword", "catalogToken", "caCertificate"],
      ].sort(),
    );
    expect(outputs["jdbcUrl"]).toBe("jdbc:trino://trino.example.org:8443/iceberg?SSL=true");
    expect(outputs["airflowUrl"]).toBe("https://airflow.example.org");
  });
});

import { readFileSync } from "node:fs";
import * as path from "node:path";
import { projectFolder } from "../toolchain/index";

/** Who gives a job its executors. */
export const modes = ["workers", "pods"] as const;
export type Mode = (typeof modes)[number];

/** Workers at most; a job has one executor of one core, as the stack's jobs have. */
export const workersMost = 4;
/** Heap of a driver and of an executor, MiB, and what an executor needs beside it by Spark's own rule. */
const heap = 512;
const overhead = 384;
/** As the stack's workers: a share of their core. */
const busyMilli = 700;
/** Shorter than a stack's, so that each measurement begins with one worker again. */
const idleSeconds = 15;

/** An object of the Kubernetes API. */
type Manifest = Record<string, unknown>;

/** The account, the programs, the master with its workers and their autoscaler, and the pod that jobs are submitted in. */
export function objects(namespace: string, image: string): Manifest[] {
  const metadata = (name: string) => ({ name, namespace, labels: { part: name } });
  const deployment = (name: string, pod: Manifest): Manifest => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(name),
    spec: {
      replicas: 1,
      strategy: { type: "Recreate" },
      selector: { matchLabels: { part: name } },
      template: {
        metadata: { labels: { part: name } },
        spec: {
          // Such variables as SPARK_MASTER_PORT mean something to Spark.
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 5,
          securityContext: { runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001 },
          ...pod,
        },
      },
    },
  });
  const container = (name: string, command: string[], memory: number, more: Manifest = {}) => ({
    name,
    image,
    imagePullPolicy: "IfNotPresent",
    command,
    resources: { requests: { cpu: "25m", memory: `${memory / 2}Mi` }, limits: { memory: `${memory}Mi` } },
    env: [
      { name: "SPARK_DAEMON_MEMORY", value: "256m" },
      { name: "SPARK_LOCAL_HOSTNAME", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
    ],
    ...more,
  });
  const spark = (name: string, ...rest: string[]) => [
    ...["/opt/spark/bin/spark-class", `org.apache.spark.deploy.${name}`],
    ...rest,
  ];
  const rules = [
    {
      apiGroups: [""],
      resources: ["pods", "configmaps", "services", "persistentvolumeclaims"],
      verbs: ["get", "list", "watch", "create", "patch", "update", "delete", "deletecollection"],
    },
  ];
  const rbac = "rbac.authorization.k8s.io";
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata("submitter") },
    { apiVersion: `${rbac}/v1`, kind: "Role", metadata: metadata("submitter"), rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata: metadata("submitter"),
      roleRef: { apiGroup: rbac, kind: "Role", name: "submitter" },
      subjects: [{ kind: "ServiceAccount", name: "submitter", namespace }],
    },
    { apiVersion: "v1", kind: "ConfigMap", metadata: metadata("programs"), data: programs(namespace, image) },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadata("spark-master"),
      spec: { selector: { part: "spark-master" }, ports: [{ port: 7077 }] },
    },
    deployment("spark-master", {
      hostname: "spark-master",
      automountServiceAccountToken: false,
      containers: [
        container("main", spark("master.Master", "--host", "spark-master", "--port", "7077"), 512, {
          env: [{ name: "SPARK_DAEMON_MEMORY", value: "256m" }],
          readinessProbe: { tcpSocket: { port: 7077 }, periodSeconds: 2 },
        }),
      ],
    }),
    deployment("spark-worker", {
      automountServiceAccountToken: false,
      containers: [
        container(
          "main",
          spark("worker.Worker", "--cores", "1", "--memory", `${heap}m`, "--webui-port", "8081").concat(
            ...["--work-dir", "/tmp/spark-work", "spark://spark-master:7077"],
          ),
          400 + heap + overhead,
          { readinessProbe: { tcpSocket: { port: 8081 }, periodSeconds: 2 } },
        ),
      ],
    }),
    {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: metadata("spark-worker"),
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "spark-worker" },
        minReplicas: 1,
        maxReplicas: workersMost,
        metrics: [
          {
            type: "Resource",
            resource: { name: "cpu", target: { type: "AverageValue", averageValue: `${busyMilli}m` } },
          },
        ],
        behavior: {
          scaleDown: {
            stabilizationWindowSeconds: idleSeconds,
            policies: [{ type: "Pods", value: workersMost, periodSeconds: 15 }],
          },
        },
      },
    },
    deployment("submitter", {
      serviceAccountName: "submitter",
      volumes: [{ name: "programs", configMap: { name: "programs" } }],
      containers: [
        container("main", ["sleep", "infinity"], workersMost * (heap + 512), {
          volumeMounts: [{ name: "programs", mountPath: "/bench" }],
        }),
      ],
    }),
  ];
}

/** What the submitter's pod finds in /bench. */
function programs(namespace: string, image: string): Record<string, string> {
  const program = (name: string) => readFileSync(path.join(projectFolder, "bench", name), "utf8");
  const files = Object.fromEntries(
    modes.map((mode) => [`${mode}.json`, JSON.stringify(submitOptions(mode, namespace, image))]),
  );
  return {
    ...files,
    "job.py": program("spark_scaling_job.py"),
    "submit.py": program("spark_scaling_submit.py"),
    "executor.json": JSON.stringify(executorPod),
  };
}

/** Options of spark-submit: the same but for who gives executors. */
function submitOptions(mode: Mode, namespace: string, image: string): string[] {
  const java = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC";
  const settings: Record<string, string | number | boolean> = {
    "spark.executor.cores": 1,
    "spark.executor.memory": `${heap}m`,
    "spark.driver.memory": `${heap}m`,
    "spark.driver.defaultJavaOptions": java,
    "spark.executor.defaultJavaOptions": java,
    "spark.log.level": "WARN",
    "spark.ui.showConsoleProgress": false,
    ...(mode === "workers"
      ? { "spark.cores.max": 1 }
      : {
          "spark.kubernetes.namespace": namespace,
          "spark.kubernetes.container.image": image,
          "spark.kubernetes.container.image.pullPolicy": "IfNotPresent",
          "spark.kubernetes.executor.podTemplateFile": "/bench/executor.json",
          "spark.kubernetes.executor.podTemplateContainerName": "executor",
          "spark.kubernetes.executor.request.cores": "25m",
          "spark.dynamicAllocation.enabled": true,
          "spark.dynamicAllocation.shuffleTracking.enabled": true,
          "spark.dynamicAllocation.minExecutors": 0,
          "spark.dynamicAllocation.maxExecutors": 1,
        }),
  };
  const master =
    mode === "workers" ? "spark://spark-master:7077" : "k8s://https://kubernetes.default.svc:443";
  return [
    ...["--master", master],
    ...Object.entries(settings).flatMap(([name, value]) => ["--conf", `${name}=${value}`]),
  ];
}

/** Starts an executor from what Spark puts into the environment: the stack's image has no entry point that would. */
const startExecutor = [
  `exec java $(env | sed -n 's/^SPARK_JAVA_OPT_[0-9]*=//p') "-Xmx$SPARK_EXECUTOR_MEMORY" -cp '/opt/spark/jars/*'`,
  "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
  '--driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES"',
  '--app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP"',
  '--resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"',
].join(" ");

const executorPod: Manifest = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { labels: { part: "executor" } },
  spec: {
    enableServiceLinks: false,
    automountServiceAccountToken: false,
    securityContext: { runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001 },
    containers: [{ name: "executor", command: ["/bin/sh", "-c", startExecutor, "executor"] }],
  },
};

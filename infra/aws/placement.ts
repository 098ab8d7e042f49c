import { nodeLabel } from "./cluster";
import type { NodeKind } from "./cluster";

/** What can lose its node at any time: their work is done again elsewhere. */
const onSpot = new Set(["spark-worker", "trino-worker"]);

/** On which nodes the pods of a workload run. */
export function placement(workload: string) {
  const kind: NodeKind = onSpot.has(workload) ? "workers" : "services";
  return {
    nodeSelector: { [nodeLabel]: kind },
    ...(kind === "workers"
      ? { tolerations: [{ key: nodeLabel, operator: "Equal", value: kind, effect: "NoSchedule" }] }
      : {}),
  };
}

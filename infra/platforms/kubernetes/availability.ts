import * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Workload } from "../../workload";
import type { Labels } from "./names";

interface AvailabilityArgs {
  namespace: pulumi.Input<string>;
  selector: Labels;
}

/** How many instances there may be at a time. */
export function mostInstances({ replicas, scale }: Workload): number {
  return scale?.most ?? replicas ?? 1;
}

/** Of several instances, at most one goes at a time when nodes are emptied. A single one may go: nobody could stay. */
export function keepAvailable(
  workload: Workload,
  { namespace, selector }: AvailabilityArgs,
  options: pulumi.CustomResourceOptions,
): void {
  if (mostInstances(workload) < 2) return;
  new kubernetes.policy.v1.PodDisruptionBudget(
    `${workload.name}-budget`,
    {
      metadata: { name: workload.name, namespace, labels: selector },
      spec: {
        maxUnavailable: 1,
        selector: { matchLabels: selector },
        // An instance that does not answer protects nobody, and must not keep a node from being emptied.
        unhealthyPodEvictionPolicy: "AlwaysAllow",
      },
    },
    options,
  );
}

/**
 * More instances while the present ones are busy; fewer, one at a time, when they have long been idle. What can scale has
 * an autoscaler even while its number is fixed: else one that is switched off would, before Pulumi comes to remove it,
 * take back the number that was just set.
 */
export function scaleWithLoad(
  workload: Workload,
  kind: "Deployment" | "StatefulSet",
  { namespace, selector }: AvailabilityArgs,
  options: pulumi.CustomResourceOptions,
): void {
  if (workload.scale === undefined) return;
  new kubernetes.autoscaling.v2.HorizontalPodAutoscaler(
    `${workload.name}-scale`,
    {
      metadata: { name: workload.name, namespace, labels: selector },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind, name: workload.name },
        minReplicas: workload.replicas ?? 1,
        maxReplicas: workload.scale.most,
        // Not a share of what a pod asks for, which is next to nothing on small clusters.
        metrics: [
          {
            type: "Resource",
            resource: {
              name: "cpu",
              target: {
                type: "AverageValue",
                averageValue: `${Math.round(workload.scale.busyCores * 1000)}m`,
              },
            },
          },
        ],
        behavior: {
          scaleDown: {
            stabilizationWindowSeconds: workload.scale.idleSeconds,
            policies: [{ type: "Pods", value: 1, periodSeconds: 60 }],
          },
        },
      },
    },
    options,
  );
}

/**
 * What the program leaves as it finds it: with an autoscaler, the number of instances. It is given all the same, for the
 * time before the autoscaler's first decision; a number that nobody gives is one.
 */
export function leftAlone({ scale }: Workload): string[] {
  return scale === undefined ? [] : ["spec.replicas"];
}

import type { Program } from "../../workload";

export type Labels = Record<string, string>;

/** A long-running service, or a one-off step. Services' selectors take the former only. */
export type Component = "service" | "task";

/** Labels by which a policy finds all pods that act as a workload: its instances, and the steps that prepare it. */
export const actsAs = (stack: string, name: string): Labels => ({
  "app.kubernetes.io/part-of": "lakestack",
  "app.kubernetes.io/instance": stack,
  "app.kubernetes.io/name": name,
});

/** Labels of the pods of a workload or task. */
export function podLabels(stack: string, program: Pick<Program, "name">, component: Component): Labels {
  return { ...actsAs(stack, program.name), "app.kubernetes.io/component": component };
}

/** Name of the headless Service that gives each instance of a stateful workload a DNS name of its own. */
export const instancesService = (workload: string) => `${workload}-instances`;

import { at, entries, property, type Subject, unknown } from "./subject";

/** Where each kind of object has the pod that it makes. */
const places: Record<string, string> = {
  "core/v1:Pod": "spec",
  "core/v1:PodTemplate": "template.spec",
  "core/v1:ReplicationController": "spec.template.spec",
  "apps/v1:Deployment": "spec.template.spec",
  "apps/v1:StatefulSet": "spec.template.spec",
  "apps/v1:DaemonSet": "spec.template.spec",
  "apps/v1:ReplicaSet": "spec.template.spec",
  "batch/v1:Job": "spec.template.spec",
  "batch/v1:CronJob": "spec.jobTemplate.spec.template.spec",
};

/** Types of resources that make pods. */
export const podTypes = Object.keys(places).map((kind) => `kubernetes:${kind}`);

/** The specification of the pods that an object makes; unknown, or undefined, if it has none yet. */
export const podSpec = (subject: Subject): unknown =>
  property(subject, places[subject.type.replace("kubernetes:", "")] ?? "spec");

/** Every container of a pod, the short-lived ones too, with its place in the specification. */
export function podContainers(spec: unknown): [place: string, container: unknown][] {
  if (spec === unknown) return [];
  return ["initContainers", "containers", "ephemeralContainers"].flatMap((list) =>
    entries(at(spec, list)).map((container): [string, unknown] => {
      const name = at(container, "name");
      return [`${list}.${typeof name === "string" ? name : "?"}`, container];
    }),
  );
}

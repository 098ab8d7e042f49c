import { stringify } from "yaml";
import type { Graph, Registered } from "./graph";

/**
 * The graph as text that people read in a review: each resource of AWS with all that it is told, policies opened; of the
 * cluster's objects what they are and who waits for whom.
 */
export function readable(graph: Graph, component: string): string {
  return graph.resources
    .filter(({ urn, type }) => componentOf(graph, urn) === component && !type.startsWith("lakestack:"))
    .sort((a, b) => label(a).localeCompare(label(b), "en"))
    .map((resource) => describe(graph, resource))
    .join("\n");
}

/** The component of ours that a resource belongs to, as `aws:Network`. */
export function componentOf(graph: Graph, urn: string): string | undefined {
  const resource = graph.resources.find((each) => each.urn === urn);
  if (resource === undefined) return undefined;
  const [project, component] = resource.type.split(/:(.*)/);
  return project === "lakestack" ? component : componentOf(graph, resource.parent);
}

const label = ({ type, name }: Registered) => `${type.split(":").at(-1) ?? type} ${name}`;

function describe(graph: Graph, resource: Registered): string {
  const marks = [
    ...(resource.protect ? ["protected"] : []),
    ...(resource.retainOnDelete ? ["kept"] : []),
    ...resource.ignoreChanges.map((property) => `ignores changes of ${property}`),
  ];
  const names = new Map(graph.resources.map((each) => [each.urn, label(each)]));
  const after = [...new Set(resource.dependencies.flatMap((urn) => names.get(urn) ?? []))].sort();
  const facts = {
    ...(marks.length > 0 ? { is: marks.join(", ") } : {}),
    ...resource.inputs,
    ...(after.length > 0 ? { after } : {}),
  };
  return stringify({ [label(resource)]: openedPolicies(facts) }, { lineWidth: 120, sortMapEntries: false });
}

/** Documents that travel as JSON text are shown as what they say. */
function openedPolicies(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(openedPolicies);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, openedPolicies(inner)]));
  }
  if (typeof value !== "string") return value;
  // An image's tag names its content, which is no concern of this text.
  return value.startsWith('{"')
    ? openedPolicies(JSON.parse(value))
    : value.replace(/(^|:)[0-9a-f]{12}$/, "$1CONTENT");
}

/** The cluster's objects in one line each: what they are, and what they wait for among AWS's resources. */
export function readableCluster(graph: Graph): string {
  return graph.resources
    .filter(({ type }) => type.startsWith("kubernetes:"))
    .map((resource) => {
      const { replicas } = (resource.inputs["spec"] ?? {}) as { replicas?: number };
      const scaled = resource.ignoreChanges.includes("spec.replicas") ? " at first" : "";
      return `${label(resource)}${replicas === undefined ? "" : ` × ${replicas}${scaled}`}`;
    })
    .sort((a, b) => a.localeCompare(b, "en"))
    .join("\n")
    .concat("\n");
}

import { UserError } from "../user-error";

/** A port of the node that is published on this machine's loopback address. */
export interface PublishedPort {
  /** On 127.0.0.1 of this machine. */
  host: number;
  /** At which a Service of type LoadBalancer is served. */
  node: number;
}

/** What is the user's to choose. */
export interface ClusterSettings {
  /** Name of the container, the volume and the network. */
  name: string;
  /** Port of the API server on 127.0.0.1. */
  apiPort: number;
  ports: PublishedPort[];
  /** A kubeconfig of a cluster to use instead of one made here. */
  kubeconfig?: string;
  /** `own`: the one made here. `kind`: kind's. Default: kind's if kind is installed. */
  kind?: "own" | "kind";
}

/** Trino with TLS, Airflow's page, the object store. */
const defaultPorts = "17443:8443,17081:8081,17900:9000";

/**
 * Reads the settings from the environment.
 *
 * @throws UserError that names every variable with a value that can't be used.
 */
export function clusterSettings(environment: NodeJS.ProcessEnv = process.env): ClusterSettings {
  const faults: string[] = [];
  const valueOf = (name: string, fallback: string) => {
    const value = environment[name];
    return value === undefined || value === "" ? fallback : value;
  };

  const name = valueOf("LAKESTACK_CLUSTER_NAME", "lakestack-cluster");
  if (!/^[a-z][a-z0-9-]{0,40}$/.test(name))
    faults.push(`LAKESTACK_CLUSTER_NAME is "${name}", expected small letters, digits and -, a letter first.`);

  const apiPort = Number(valueOf("LAKESTACK_CLUSTER_API_PORT", "16443"));
  if (!isPort(apiPort))
    faults.push(
      `LAKESTACK_CLUSTER_API_PORT is "${valueOf("LAKESTACK_CLUSTER_API_PORT", "")}", expected a port from 1 to 65535.`,
    );

  const text = valueOf("LAKESTACK_CLUSTER_PORTS", defaultPorts);
  const ports = text
    .split(",")
    .filter((each) => each.trim() !== "")
    .map((each) => {
      const [host, node, ...rest] = each.trim().split(":").map(Number);
      return rest.length === 0 && isPort(host) && isPort(node) ? { host, node } : undefined;
    });
  const valid = ports.filter((port) => port !== undefined);
  const all = [apiPort, ...valid.map(({ host }) => host)];
  if (valid.length < ports.length || new Set(all).size < all.length)
    faults.push(
      `LAKESTACK_CLUSTER_PORTS is "${text}", expected pairs of this machine's port and the Service's, ` +
        `each port of this machine once, for example ${defaultPorts}.`,
    );

  const kind = valueOf("LAKESTACK_CLUSTER", "");
  if (kind !== "" && kind !== "own" && kind !== "kind")
    faults.push(`LAKESTACK_CLUSTER is "${kind}", expected "own" or "kind".`);

  if (faults.length > 0)
    throw new UserError(faults.join("\n"), "Correct them, or unset them for the defaults.");
  return {
    name,
    apiPort,
    ports: valid,
    kubeconfig: environment["LAKESTACK_KUBECONFIG"] || undefined,
    kind: kind === "own" || kind === "kind" ? kind : undefined,
  };
}

function isPort(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value > 0 && value < 65536;
}

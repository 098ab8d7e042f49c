import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Port, Workload } from "../../workload";
import type { Labels } from "./names";

/** A way in from outside the cluster, to the first published port of a workload. */
export type Door =
  | {
      /** TCP as it comes: the workload itself speaks TLS. */
      kind: "load-balancer";
      /** Number at the door. Default: the one at which the port is published. */
      port?: number;
      annotations?: Record<string, pulumi.Input<string>>;
      /** Who may call. Default: everybody. */
      sourceRanges?: string[];
      loadBalancerClass?: string;
    }
  | {
      /** A number on every node. For clusters without load balancers. */
      kind: "node-port";
      /** 30000 to 32767. Default: the cluster chooses. */
      nodePort?: number;
    }
  | {
      /** HTTP behind the cluster's ingress controller, which ends TLS. */
      kind: "ingress";
      host: pulumi.Input<string>;
      className?: string;
      /** Secret with the host's certificate; made by cert-manager if `issuer` is given. */
      tlsSecret?: string;
      /** Name of cert-manager's ClusterIssuer. */
      issuer?: string;
      /** Namespace of the controller: no other may call then. */
      controllerNamespace?: string;
      annotations?: Record<string, pulumi.Input<string>>;
    };

interface DoorArgs {
  namespace: pulumi.Input<string>;
  selector: Labels;
}

/** Opens a door. The Service for callers inside the cluster is another one, and stays as it is. */
export function openDoor(
  workload: Pick<Workload, "name" | "ports">,
  door: Door,
  args: DoorArgs,
  options: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const port = (workload.ports ?? []).find(({ publish }) => publish !== undefined);
  if (port === undefined) throw new Error(`${workload.name} has a door, but no published port`);
  return door.kind === "ingress"
    ? openIngress(workload.name, port, door, args, options)
    : openService(workload.name, port, door, args, options);
}

function openService(
  name: string,
  port: Port,
  door: Exclude<Door, { kind: "ingress" }>,
  { namespace, selector }: DoorArgs,
  options: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const balanced = door.kind === "load-balancer";
  const ports = [
    {
      name: port.name,
      port: balanced ? (door.port ?? port.publish ?? port.port) : port.port,
      targetPort: port.name,
      ...(balanced || door.nodePort === undefined ? {} : { nodePort: door.nodePort }),
    },
  ];
  return new kubernetes.core.v1.Service(
    `${name}-door`,
    {
      metadata: {
        name: `${name}-door`,
        namespace,
        labels: selector,
        ...(balanced ? { annotations: door.annotations } : {}),
      },
      spec: {
        type: balanced ? "LoadBalancer" : "NodePort",
        selector,
        ports,
        ...(balanced
          ? { loadBalancerSourceRanges: door.sourceRanges, loadBalancerClass: door.loadBalancerClass }
          : {}),
      },
    },
    options,
  );
}

function openIngress(
  name: string,
  port: Port,
  door: Extract<Door, { kind: "ingress" }>,
  { namespace, selector }: DoorArgs,
  options: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const secretName = door.tlsSecret ?? (door.issuer === undefined ? undefined : `${name}-door-tls`);
  return new kubernetes.networking.v1.Ingress(
    `${name}-door`,
    {
      metadata: {
        name: `${name}-door`,
        namespace,
        labels: selector,
        annotations: {
          ...door.annotations,
          ...(door.issuer === undefined ? {} : { "cert-manager.io/cluster-issuer": door.issuer }),
        },
      },
      spec: {
        ingressClassName: door.className,
        ...(secretName === undefined ? {} : { tls: [{ hosts: [door.host], secretName }] }),
        rules: [
          {
            host: door.host,
            http: {
              paths: [
                {
                  path: "/",
                  pathType: "Prefix",
                  backend: { service: { name, port: { name: port.name } } },
                },
              ],
            },
          },
        ],
      },
    },
    options,
  );
}

import * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { callersOf, callsOf, identityProvider, lineageReceiver, outsideSources } from "../../connections";
import type { Program, Workload } from "../../workload";
import type { Door } from "./doors";
import { actsAs } from "./names";

type Peer = kubernetes.types.input.networking.v1.NetworkPolicyPeer;
type Ingress = kubernetes.types.input.networking.v1.NetworkPolicyIngressRule;
export type Egress = kubernetes.types.input.networking.v1.NetworkPolicyEgressRule;

/** Where something is that the stack uses and does not run: a database, an object store, the sources' store. */
export interface Outside {
  port: number;
  /** Address ranges. Default: everywhere. */
  cidrs?: pulumi.Input<string>[];
}

export interface PolicyArgs {
  stack: string;
  namespace: pulumi.Input<string>;
  /** By the name that `connections.ts` gives it. */
  outside: Record<string, Outside>;
  /** Who answers for names. Default: the cluster's DNS in kube-system, and the cache on each node where there is one. */
  dns?: Peer[];
  /** What the pods of a workload may reach beside that, for example the agent that gives them their identity. */
  moreEgress?: (workload: string) => Egress[];
  doors: Record<string, Door>;
}

const clusterDns: Peer[] = [
  { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } } },
  { ipBlock: { cidr: "169.254.20.10/32" } },
];

/** Nobody talks to anybody, unless a policy beside this one allows it. */
export function denyAll(
  args: Pick<PolicyArgs, "stack" | "namespace">,
  options: pulumi.CustomResourceOptions,
): kubernetes.networking.v1.NetworkPolicy {
  return new kubernetes.networking.v1.NetworkPolicy(
    "deny-all",
    {
      metadata: { name: "deny-all", namespace: args.namespace },
      spec: {
        podSelector: { matchLabels: { "app.kubernetes.io/instance": args.stack } },
        policyTypes: ["Ingress", "Egress"],
      },
    },
    options,
  );
}

/** Allows what `connections.ts` says about a workload or task: who may call it at which port, and whom it may call. */
export function allowConnections(
  program: Pick<Program, "name"> & Pick<Workload, "ports">,
  args: PolicyArgs,
  options: pulumi.CustomResourceOptions,
): kubernetes.networking.v1.NetworkPolicy {
  const { name } = program;
  return new kubernetes.networking.v1.NetworkPolicy(
    `${name}-connections`,
    {
      metadata: { name, namespace: args.namespace, labels: actsAs(args.stack, name) },
      spec: {
        podSelector: { matchLabels: actsAs(args.stack, name) },
        policyTypes: ["Ingress", "Egress"],
        ingress: ingress(program, args),
        egress: egress(name, args),
      },
    },
    options,
  );
}

function ingress({ name, ports = [] }: Pick<Workload, "name" | "ports">, args: PolicyArgs): Ingress[] {
  const door = args.doors[name];
  return ports.flatMap((port) => {
    const last = port.port + (port.span ?? 1) - 1;
    const numbers = [{ protocol: "TCP", port: port.port, ...(last > port.port ? { endPort: last } : {}) }];
    const callers = callersOf(name, port.name);
    return [
      ...(callers.length === 0
        ? []
        : [{ from: callers.map((caller) => pods(args, caller)), ports: numbers }]),
      // Where it comes from is the door's matter: load balancers hide their callers.
      ...(door === undefined || port.publish === undefined
        ? []
        : [{ from: doorPeers(door), ports: numbers }]),
    ];
  });
}

function doorPeers(door: Door): Peer[] | undefined {
  return door.kind === "ingress" && door.controllerNamespace !== undefined
    ? [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": door.controllerNamespace } } }]
    : undefined;
}

/** The called workload's own policy says at which ports. */
function egress(name: string, args: PolicyArgs): Egress[] {
  const called = [...new Set(callsOf(name).map(({ to }) => to))];
  const never = [outsideSources, lineageReceiver, identityProvider];
  const inside = called.filter((to) => !never.includes(to) && args.outside[to] === undefined);
  return [
    { to: args.dns ?? clusterDns, ports: ["UDP", "TCP"].map((protocol) => ({ protocol, port: 53 })) },
    ...(inside.length === 0 ? [] : [{ to: inside.map((to) => pods(args, to)) }]),
    ...called.flatMap((to) => {
      const outside = args.outside[to];
      if (outside === undefined) return [];
      const cidrs = outside.cidrs ?? ["0.0.0.0/0"];
      return [
        {
          to: cidrs.map((cidr) => ({ ipBlock: { cidr } })),
          ports: [{ protocol: "TCP", port: outside.port }],
        },
      ];
    }),
    ...(args.moreEgress?.(name) ?? []),
  ];
}

const pods = ({ stack }: PolicyArgs, name: string): Peer => ({
  podSelector: { matchLabels: actsAs(stack, name) },
});

import { unpinned } from "./images";
import { podContainers, podSpec, podTypes } from "./pods";
import { type Rule, said } from "./rule";
import { at, entries, property, type Subject, unknown } from "./subject";

const service = "kubernetes:core/v1:Service";
const ingress = "kubernetes:networking.k8s.io/v1:Ingress";

/** Rules for what runs on a Kubernetes cluster. */
export const kubernetesRules: Rule[] = [
  {
    name: "pod-confined",
    description: "A pod has no privileges, no capabilities and nothing of its node.",
    types: [...podTypes, "kubernetes:core/v1:PersistentVolume"],
    check: (subject) =>
      podTypes.includes(subject.type) ? unconfined(podSpec(subject)) : hostVolume(subject),
  },
  {
    name: "pod-not-root",
    description: "The programs of a pod are not root, and the cluster sees to it.",
    types: podTypes,
    check: (subject) => asRoot(podSpec(subject)),
  },
  {
    name: "pod-image-pinned",
    description: "An image's reference always means the same image.",
    types: podTypes,
    check: (subject) =>
      podContainers(podSpec(subject)).flatMap(([place, container]) =>
        unpinned(`${place}.image`, at(container, "image")),
      ),
  },
  {
    name: "no-plain-door",
    description:
      "A door of the cluster has TLS where that can be told, or is for named ranges, unless the network is trusted.",
    types: [service, ingress],
    option: "trustedNetwork",
    check: (subject, { trustedNetwork }) => {
      if (trustedNetwork === true) return [];
      return subject.type === ingress ? plainIngress(subject) : plainBalancer(subject);
    },
  },
];

function unconfined(spec: unknown): string[] {
  return [
    ...["hostNetwork", "hostPID", "hostIPC"].flatMap((path) =>
      at(spec, path) === true ? [`${path} is true, expected false`] : [],
    ),
    ...entries(at(spec, "volumes")).flatMap((volume) => {
      const host = at(volume, "hostPath");
      return host === undefined || host === unknown
        ? []
        : [
            `volume ${String(at(volume, "name"))} is hostPath ${said(at(host, "path"))}, expected nothing of the node`,
          ];
    }),
    ...podContainers(spec).flatMap(([place, container]) => {
      const context = at(container, "securityContext");
      if (context === unknown) return [];
      const dropped = at(context, "capabilities.drop");
      const added = entries(at(context, "capabilities.add"));
      const escalation = at(context, "allowPrivilegeEscalation");
      return [
        ...(at(context, "privileged") === true ? ["privileged is true, expected false"] : []),
        ...(escalation === false || escalation === unknown
          ? []
          : [`allowPrivilegeEscalation is ${said(escalation)}, expected false`]),
        ...(dropped === unknown || entries(dropped).includes("ALL")
          ? []
          : [`capabilities.drop is ${said(dropped)}, expected ["ALL"]`]),
        ...(added.length === 0 ? [] : [`capabilities.add is ${said(added)}, expected none`]),
        ...entries(at(container, "ports")).flatMap((port) =>
          typeof at(port, "hostPort") === "number" ? ["a port has a hostPort, expected none"] : [],
        ),
      ].map((fault) => `${place}: ${fault}`);
    }),
  ];
}

function hostVolume(subject: Subject): string[] {
  const host = property(subject, "spec.hostPath");
  return host === undefined || host === unknown ? [] : ["spec.hostPath is set, expected nothing of the node"];
}

/** A container's own word goes before the pod's. */
function asRoot(spec: unknown): string[] {
  return podContainers(spec).flatMap(([place, container]) => {
    const setting = (name: string) => {
      const own = at(container, `securityContext.${name}`);
      return own === undefined ? at(spec, `securityContext.${name}`) : own;
    };
    const promised = setting("runAsNonRoot");
    return [
      ...(promised === true || promised === unknown
        ? []
        : [`${place}: runAsNonRoot is ${said(promised)}, expected true`]),
      ...(setting("runAsUser") === 0 ? [`${place}: runAsUser is 0, expected another`] : []),
    ];
  });
}

const everywhere = ["0.0.0.0/0", "::/0"];

function plainBalancer(subject: Subject): string[] {
  if (property(subject, "spec.type") !== "LoadBalancer") return [];
  const ranges = property(subject, "spec.loadBalancerSourceRanges");
  if (ranges === unknown || property(subject, "spec.ports") === unknown) return [];
  const named = entries(ranges);
  if (named.length > 0 && !named.some((range) => everywhere.includes(String(range)))) return [];
  return entries(property(subject, "spec.ports"))
    .filter((port) => !hasTls(port))
    .map(
      (port) =>
        `port ${String(at(port, "port"))} is open to everybody, and nothing says that it has TLS: expected ` +
        "loadBalancerSourceRanges, or a port that is called https or has the appProtocol https",
    );
}

/** As far as a Service tells: by the port's name or protocol. */
const hasTls = (port: unknown) =>
  ["name", "appProtocol"].some((key) => {
    const value = at(port, key);
    return value === unknown || (typeof value === "string" && /^(https|tls)(-|$)/i.test(value));
  });

function plainIngress(subject: Subject): string[] {
  const tls = property(subject, "spec.tls");
  if (tls === unknown || entries(tls).length > 0) return [];
  return ["spec.tls is not set, expected a certificate"];
}

import { describe, expect, it } from "vitest";
import { kubernetesRules } from "../../policy/kubernetes-rules";
import {
  balancer,
  context,
  deployment,
  deploymentType,
  ingress,
  notKnown,
  plain,
  pod,
  service,
  subject,
  testExamples,
} from "./policy-examples";
import type { Example } from "./policy-examples";
import { verdict } from "./verdict";

const kubernetes: Example[] = [
  [
    "pod-confined",
    deployment(),
    deployment(context({ privileged: true })),
    "containers.serve: privileged is true",
  ],
  [
    "pod-confined",
    deployment(),
    deployment({ securityContext: undefined }),
    "allowPrivilegeEscalation is not set",
  ],
  ["pod-confined", deployment(), deployment(context({ capabilities: {} })), 'expected ["ALL"]'],
  [
    "pod-confined",
    deployment(),
    deployment(context({ capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] } })),
    "NET_ADMIN",
  ],
  [
    "pod-confined",
    deployment({ ports: [{ containerPort: 80 }] }),
    deployment({ ports: [{ containerPort: 80, hostPort: 80 }] }),
    "hostPort",
  ],
  [
    "pod-confined",
    deployment({}, { hostNetwork: false }),
    deployment({}, { hostNetwork: true }),
    "hostNetwork is true",
  ],
  ["pod-confined", deployment({}, { hostPID: false }), deployment({}, { hostPID: true }), "hostPID is true"],
  [
    "pod-confined",
    deployment(),
    deployment({}, { volumes: [{ name: "host", hostPath: { path: "/etc" } }] }),
    'hostPath "/etc"',
  ],
  [
    "pod-confined",
    subject("kubernetes:core/v1:PersistentVolume", { spec: { csi: { driver: "ebs.csi.aws.com" } } }),
    subject("kubernetes:core/v1:PersistentVolume", { spec: { hostPath: { path: "/" } } }),
    "spec.hostPath is set",
  ],
  ["pod-not-root", deployment(), deployment({}, { securityContext: {} }), "runAsNonRoot is not set"],
  [
    "pod-not-root",
    deployment(context({ runAsUser: 1000 })),
    deployment(context({ runAsNonRoot: false })),
    "runAsNonRoot is false",
  ],
  ["pod-not-root", deployment(), deployment(context({ runAsUser: 0 })), "runAsUser is 0"],
  [
    "pod-not-root",
    deployment(),
    deployment({}, { initContainers: [{ name: "first", ...context({ runAsUser: 0 }) }] }),
    "initContainers.first: runAsUser is 0",
  ],
  [
    "pod-image-pinned",
    deployment(),
    deployment({ image: "registry.example.com/serve:1.2.3" }),
    "containers.serve.image is registry",
  ],
  [
    "pod-image-pinned",
    deployment({ image: "lakestack-test-trino:0123456789ab" }),
    deployment({ image: "lakestack-test-trino" }),
    "lakestack-test-trino,",
  ],
  [
    "pod-image-pinned",
    subject("kubernetes:batch/v1:CronJob", { spec: { jobTemplate: { spec: { template: pod({}, {}) } } } }),
    subject("kubernetes:batch/v1:CronJob", {
      spec: { jobTemplate: { spec: { template: pod({ image: "busybox" }, {}) } } },
    }),
    "busybox",
  ],
  [
    "no-plain-door",
    balancer({ loadBalancerSourceRanges: ["203.0.113.0/24"] }),
    balancer(),
    "port 80 is open to everybody",
  ],
  [
    "no-plain-door",
    balancer({ ports: [{ name: "https", port: 443 }] }),
    balancer({ loadBalancerSourceRanges: ["0.0.0.0/0"] }),
    "port 80",
  ],
  [
    "no-plain-door",
    balancer({ ports: [{ port: 443, appProtocol: "https" }] }),
    balancer({
      ports: [
        { name: "https", port: 443 },
        { name: "s3", port: 9000 },
      ],
    }),
    "port 9000",
  ],
  ["no-plain-door", ingress({ tls: [{ secretName: "tls" }] }), ingress({ rules: [] }), "spec.tls is not set"],
];

describe("the policy pack on Kubernetes", () => {
  testExamples(kubernetesRules, kubernetes);

  it("heeds trustedNetwork, by which the operator says that nobody listens", () => {
    expect(verdict([balancer()], { trustedNetwork: false })).not.toEqual([]);
    expect(verdict([balancer()], { trustedNetwork: true })).toEqual([]);
  });

  it("says nothing of what a preview can't know yet", () => {
    expect(verdict([subject(deploymentType, notKnown({}, "spec"))])).toEqual([]);
    expect(verdict([service(notKnown(plain, "loadBalancerSourceRanges"))])).toEqual([]);
    const inside = notKnown({ name: "serve", ...context({}) }, "image", "env");
    expect(verdict([deployment({}, { containers: [inside] })])).toEqual([]);
  });
});

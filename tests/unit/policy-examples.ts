import { expect, it } from "vitest";
import type { Subject } from "../../policy/subject";
import type { Rule } from "../../policy/rule";
import { verdict } from "./verdict";

export const containerType = "docker:index/container:Container";
export const deploymentType = "kubernetes:apps/v1:Deployment";
export const serviceType = "kubernetes:core/v1:Service";

export const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
/** As `generatePassword` makes them; it opens nothing. */
export const drawn = "hM3kT9wQzR7bXc2LfV8sNd4p";

export type Props = Record<string, unknown>;
export const subject = (type: string, props: Props): Subject => ({ type, name: "it", props, protect: false });

/** A container that breaks no rule, with some properties changed. */
export const container = (props: Props = {}) =>
  subject(containerType, {
    image: digest,
    entrypoints: ["/bin/serve"],
    command: ["--password-file=/run/secrets/password"],
    envs: [
      "HOME=/home/serve",
      "SERVE_PASSWORD_FILE=/run/secrets/password",
      "SERVE_TOKEN_CMD=cat /run/secrets/token",
    ],
    ports: [{ internal: 8443, external: 8443, ip: "127.0.0.1", protocol: "tcp" }],
    volumes: [{ volumeName: "data", containerPath: "/data" }],
    labels: [{ label: "lakestack.service", value: "serve" }],
    networksAdvanced: [{ name: "serve", aliases: ["serve"] }],
    memory: 256,
    memorySwap: 256,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges"],
    ...props,
  });

/** A Deployment that breaks no rule, with its one container or the rest of its pod changed. */
export const deployment = (inside: Props = {}, spec: Props = {}) =>
  subject(deploymentType, { spec: { template: pod(inside, spec) } });
export const pod = (inside: Props, spec: Props) => ({
  spec: {
    securityContext: { runAsNonRoot: true, runAsUser: 10001 },
    volumes: [{ name: "data", emptyDir: {} }],
    containers: [
      {
        name: "serve",
        image: "registry.example.com/serve@" + digest,
        env: [
          { name: "SERVE_PASSWORD", valueFrom: { secretKeyRef: { name: "serve", key: "password" } } },
          { name: "SERVE_SECRET_FILE", value: "/run/secrets/secret" },
        ],
        command: ["/bin/sh", "-c", 'SERVE_SECRET="$(cat /run/secrets/secret)" exec serve'],
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
        ...inside,
      },
    ],
    ...spec,
  },
});
export const context = (own: Props) => ({
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, ...own },
});

export const service = (spec: Props) => subject(serviceType, { spec });
export const balancer = (spec: Props = {}) => service({ ...plain, ...spec });
export const plain = { type: "LoadBalancer", ports: [{ name: "http", port: 80 }] };
export const ingress = (spec: Props) => subject("kubernetes:networking.k8s.io/v1:Ingress", { spec });
export const configMap = (file: string, content: string) =>
  subject("kubernetes:core/v1:ConfigMap", { data: { [file]: content } });
export const image = (props: Props) => subject("docker:index/remoteImage:RemoteImage", props);

/** What a rule lets through, and what it does not, with a piece of what it says then. */
export type Example = [rule: string, passes: Subject, fails: Subject, fault: string | RegExp];

/** Changes a property so that reading it fails as in a preview. */
export const notKnown = (props: Props, ...names: string[]): Props =>
  Object.defineProperties(
    { ...props },
    Object.fromEntries(
      names.map((name) => [
        name,
        {
          enumerable: true,
          get: () => {
            throw new Error(`String value at .${name} can't be known during preview`);
          },
        },
      ]),
    ),
  );

/** One test an example, and one that each rule has an example. */
export function testExamples(rules: Rule[], examples: Example[]): void {
  it.each(examples)(
    "%s has nothing against what is right, and refuses what is not (%#)",
    (rule, passes, fails, fault) => {
      expect(verdict([passes])).toEqual([]);
      const found = verdict([fails]).filter((each) => each.startsWith(`${rule}: it: `));
      expect(found.join("\n")).toMatch(fault);
      // What is secret is not told.
      expect(found.join("\n")).not.toContain("letmein");
      expect(found.join("\n")).not.toContain(drawn);
    },
  );

  it("has an example for each of its rules", () => {
    const shown = new Set(examples.map(([rule]) => rule));
    expect(rules.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
  });
}

import { describe, expect, it } from "vitest";
import { dockerRules } from "../../policy/docker-rules";
import { container, containerType, digest, image, notKnown, subject, testExamples } from "./policy-examples";
import type { Example } from "./policy-examples";
import { verdict } from "./verdict";

const docker: Example[] = [
  ["loopback-only", container(), container({ ports: [{ internal: 80, external: 8080 }] }), "every address"],
  [
    "loopback-only",
    container({ ports: [{ internal: 80, ip: "::1" }] }),
    container({ ports: [{ internal: 80, ip: "0.0.0.0" }] }),
    "port 80 is published on 0.0.0.0",
  ],
  [
    "loopback-only",
    container({ ports: [{ internal: 80, ip: "127.0.0.2" }] }),
    container({ ports: [{ internal: 80, ip: "192.0.2.1" }] }),
    "192.0.2.1",
  ],
  [
    "loopback-only",
    container({ publishAllPorts: false }),
    container({ publishAllPorts: true }),
    "publishAllPorts",
  ],
  [
    "container-confined",
    container({ privileged: false }),
    container({ privileged: true }),
    "privileged is true",
  ],
  [
    "container-confined",
    container({ networkMode: "none" }),
    container({ networkMode: "host" }),
    "networkMode is host",
  ],
  ["container-confined", container({ pidMode: "" }), container({ pidMode: "host" }), "pidMode is host"],
  [
    "container-confined",
    container({ ipcMode: "private" }),
    container({ ipcMode: "host" }),
    "ipcMode is host",
  ],
  [
    "container-confined",
    container({ devices: [] }),
    container({ devices: [{ hostPath: "/dev/sda" }] }),
    "devices is set",
  ],
  ["own-networks", container(), container({ networksAdvanced: [] }), "networksAdvanced is empty"],
  [
    "own-networks",
    container({ networkMode: "none", networksAdvanced: undefined }),
    container({ networkMode: "bridge", networksAdvanced: undefined }),
    "expected the stack's networks",
  ],
  ["container-limited", container(), container({ memory: undefined }), "memory is not set"],
  [
    "container-limited",
    container({ memory: undefined, start: false }),
    container({ memory: 0 }),
    "memory is 0, expected a limit",
  ],
  ["container-limited", container(), container({ memorySwap: -1 }), "memorySwap is -1, expected 256"],
  ["container-limited", container(), container({ memorySwap: undefined }), "memorySwap is not set"],
  [
    "no-docker-socket",
    container({ volumes: [{ hostPath: "/srv/data" }] }),
    container({ volumes: [{ hostPath: "/var/run/docker.sock" }] }),
    "volumes.hostPath is /var/run/docker.sock",
  ],
  [
    "no-docker-socket",
    container({ mounts: [{ type: "volume", source: "run" }] }),
    container({ mounts: [{ type: "bind", source: "/var/run/" }] }),
    "mounts.source is /var/run/",
  ],
  [
    "no-docker-socket",
    container({ volumes: [] }),
    container({ volumes: [{ hostPath: "/" }] }),
    "volumes.hostPath is /,",
  ],
  [
    "no-docker-socket",
    container(),
    container({ volumes: [{ hostPath: "/run/user/1000/docker.sock" }] }),
    "/run/user/1000/docker.sock",
  ],
  ["no-capabilities", container(), container({ capabilities: undefined }), "capabilities.drops is not set"],
  ["no-capabilities", container(), container({ capabilities: { drops: ["NET_RAW"] } }), 'expected ["ALL"]'],
  [
    "no-capabilities",
    container(),
    container({ capabilities: { drops: ["ALL"], adds: ["SYS_ADMIN"] } }),
    "SYS_ADMIN",
  ],
  ["no-new-privileges", container(), container({ securityOpts: [] }), "expected no-new-privileges"],
  [
    "no-new-privileges",
    container({ securityOpts: ["no-new-privileges:true"] }),
    container({ securityOpts: ["no-new-privileges:false"] }),
    "expected no-new-privileges",
  ],
  [
    "no-new-privileges",
    container(),
    container({ securityOpts: ["no-new-privileges", "seccomp=unconfined"] }),
    "seccomp=unconfined",
  ],
  ["image-pinned", container(), container({ image: "trino:latest" }), "image is trino:latest"],
  [
    "image-pinned",
    container({ image: "lakestack-dev-trino:0123456789ab" }),
    container({ image: "lakestack-dev-trino:1.0" }),
    "lakestack-dev-trino:1.0",
  ],
  ["image-pinned", container({ image: `trino@${digest}` }), container({ image: "trino" }), "image is trino,"],
  [
    "image-pinned",
    image({ name: "lakestack-dev-trino:0123456789ab" }),
    image({ name: "debian:trixie" }),
    "name is debian:trixie",
  ],
  [
    "image-pinned",
    image({
      name: "lakestack-dev-trino:0123456789ab",
      build: { buildArgs: { BASE_IMAGE: `debian:trixie@${digest}`, TRINO_VERSION: "476" } },
    }),
    image({
      name: "lakestack-dev-trino:0123456789ab",
      build: { buildArgs: { BASE_IMAGE: "debian:trixie" } },
    }),
    "build.buildArgs.BASE_IMAGE is debian:trixie",
  ],
];

describe("the policy pack on Docker", () => {
  testExamples(dockerRules, docker);

  it("heeds openHost, by which the operator says that the machine is meant to be reached", () => {
    const open = container({ ports: [{ internal: 80, external: 80 }] });
    expect(verdict([open], { openHost: false })).not.toEqual([]);
    expect(verdict([open], { openHost: true })).toEqual([]);
  });

  it("says nothing of what a preview can't know yet", () => {
    const names = [
      ...["image", "envs", "command", "ports", "capabilities", "securityOpts"],
      ...["networksAdvanced", "memory", "memorySwap"],
    ];
    expect(verdict([subject(containerType, notKnown(container().props, ...names))])).toEqual([]);
  });
});

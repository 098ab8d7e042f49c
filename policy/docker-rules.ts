import { unpinned } from "./images";
import { type Rule, said } from "./rule";
import { at, entries, fields, property, type Subject, unknown } from "./subject";

const container = "docker:index/container:Container";
const image = "docker:index/remoteImage:RemoteImage";

/** Rules for what runs on the Docker engine of one machine. */
export const dockerRules: Rule[] = [
  {
    name: "loopback-only",
    description:
      "A container's ports are published on the loopback address, unless the host is meant to be open.",
    types: [container],
    option: "openHost",
    check: (subject, { openHost }) => (openHost === true ? [] : openPorts(subject)),
  },
  {
    name: "container-confined",
    description: "A container has no privileges and shares no namespace and no device with the host.",
    types: [container],
    check: (subject) => [
      ...(property(subject, "privileged") === true ? ["privileged is true, expected false"] : []),
      ...["networkMode", "pidMode", "ipcMode", "usernsMode", "cgroupnsMode"].flatMap((path) =>
        property(subject, path) === "host" ? [`${path} is host, expected one of the container's own`] : [],
      ),
      ...["devices", "deviceRequests", "deviceCgroupRules"].flatMap((path) =>
        entries(property(subject, path)).length > 0 ? [`${path} is set, expected no device`] : [],
      ),
    ],
  },
  {
    name: "own-networks",
    description: "A container is on networks of its stack, not on the one where the engine puts everybody.",
    types: [container],
    check: (subject) => {
      const networks = property(subject, "networksAdvanced");
      const alone = property(subject, "networkMode") === "none";
      return alone || networks === unknown || entries(networks).length > 0
        ? []
        : ["networksAdvanced is empty, expected the stack's networks (or networkMode none)"];
    },
  },
  {
    name: "container-limited",
    description:
      "What a container runs can't take all memory of the machine, nor all places for processes with it.",
    types: [container],
    check: (subject) => {
      // One that only carries files runs nothing.
      if (property(subject, "start") === false) return [];
      const memory = property(subject, "memory");
      const swap = property(subject, "memorySwap");
      if (memory === unknown) return [];
      if (typeof memory !== "number" || memory <= 0)
        return [`memory is ${said(memory)}, expected a limit in MiB`];
      return swap === unknown || swap === memory
        ? []
        : [
            `memorySwap is ${said(swap)}, expected ${memory} as the memory: the rest is swap, which is slow and shared`,
          ];
    },
  },
  {
    name: "no-docker-socket",
    description: "No container can speak to the Docker engine, which is as good as being root on the host.",
    types: [container],
    check: (subject) =>
      hostPaths(subject)
        .filter(([, path]) => reachesSocket(path))
        .map(([place, path]) => `${place} is ${path}, expected no way to the Docker engine's socket`),
  },
  {
    name: "no-capabilities",
    description: "A container has none of the kernel's capabilities.",
    types: [container],
    check: (subject) => {
      const dropped = property(subject, "capabilities.drops");
      const added = entries(property(subject, "capabilities.adds"));
      return [
        ...(dropped === unknown || entries(dropped).includes("ALL")
          ? []
          : [`capabilities.drops is ${said(dropped)}, expected ["ALL"]`]),
        ...(added.length === 0 ? [] : [`capabilities.adds is ${said(added)}, expected none`]),
      ];
    },
  },
  {
    name: "no-new-privileges",
    description: "A container's processes can't gain rights, and the engine's own profiles hold them.",
    types: [container],
    check: (subject) => {
      const options = property(subject, "securityOpts");
      const given = entries(options).map(String);
      return [
        ...(options === unknown || given.some((option) => /^no-new-privileges([:=]true)?$/.test(option))
          ? []
          : [`securityOpts is ${said(options)}, expected no-new-privileges in it`]),
        ...given
          .filter((option) => /^(seccomp|apparmor|systempaths|label)[:=](unconfined|disable)$/.test(option))
          .map((option) => `securityOpts has ${option}, expected the engine's own profile`),
      ];
    },
  },
  {
    name: "image-pinned",
    description: "An image's reference always means the same image.",
    types: [container, image],
    check: (subject) =>
      subject.type === container
        ? unpinned("image", property(subject, "image"))
        : [
            ...unpinned("name", property(subject, "name")),
            ...fields(property(subject, "build.buildArgs"))
              .filter(([argument]) => argument.endsWith("_IMAGE"))
              .flatMap(([argument, value]) => unpinned(`build.buildArgs.${argument}`, value)),
          ],
  },
];

function openPorts(subject: Subject): string[] {
  const open = entries(property(subject, "ports")).flatMap((port) => {
    const address = at(port, "ip");
    if (address === unknown || isLoopback(address)) return [];
    const where = typeof address === "string" && address !== "" ? address : "every address";
    const number = at(port, "external") ?? at(port, "internal");
    return [`port ${String(number)} is published on ${where}, expected 127.0.0.1`];
  });
  return property(subject, "publishAllPorts") === true
    ? [...open, "publishAllPorts is true, expected the ports that are needed"]
    : open;
}

const isLoopback = (address: unknown) =>
  typeof address === "string" && (/^127(\.\d{1,3}){3}$/.test(address) || address === "::1");

/** What of the host's files a container gets, with the place where that is said. */
function hostPaths(subject: Subject): [place: string, path: string][] {
  const texts = (list: string, key: string) =>
    entries(property(subject, list)).flatMap((entry): [string, string][] => {
      const path = at(entry, key);
      return typeof path === "string" ? [[`${list}.${key}`, path]] : [];
    });
  return [...texts("volumes", "hostPath"), ...texts("mounts", "source")];
}

const sockets = [
  "/run/docker.sock",
  "/var/run/docker.sock",
  "/run/containerd/containerd.sock",
  "/run/podman/podman.sock",
];

/** A path that is an engine's socket, or a folder with one in it. */
function reachesSocket(path: string): boolean {
  const clean = path === "/" ? "" : path.replace(/\/+$/, "");
  return (
    path.startsWith("/") &&
    (/(docker|containerd|podman|crio)[\w.-]*\.sock$/.test(clean) ||
      sockets.some((socket) => socket.startsWith(`${clean}/`)))
  );
}

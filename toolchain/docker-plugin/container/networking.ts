import type { ContainerArgs } from "@pulumi/docker";
import type { InputsOf, PropertyTable } from "../property-table";
import { flag, list, object, set, text, UNSUPPORTED, whole } from "../shape";
import type { Endpoint, Found, Request } from "./engine-types";

type Inputs = InputsOf<ContainerArgs>;
type Port = NonNullable<Inputs["ports"]>[number];
type Host = NonNullable<Inputs["hosts"]>[number];
export type Network = NonNullable<Inputs["networksAdvanced"]>[number];

/** What the container can reach, and who can reach it. */
export const networkingProperties = {
  networkMode: {
    shape: text(),
    change: "replace",
    default: "bridge",
    write: (request, value) => (request.HostConfig.NetworkMode = value),
    read: ({ HostConfig: { NetworkMode } }) => (NetworkMode === "default" ? "bridge" : NetworkMode),
  },
  // Connected one by one after the container is made: the request takes one network only.
  networksAdvanced: {
    shape: set(
      object<Network>({
        name: { shape: text(), required: true },
        aliases: { shape: set(text()) },
        ipv4Address: { shape: text() },
        ipv6Address: { shape: text() },
        driverOpts: UNSUPPORTED,
        gwPriority: UNSUPPORTED,
        linkLocalIps: UNSUPPORTED,
        macAddress: UNSUPPORTED,
      }),
    ),
    change: "replace",
    read(found, recorded) {
      const networks = Object.entries(found.NetworkSettings.Networks);
      // Without networks of its own, the container is on that of its mode.
      const own = recorded?.length ? networks : networks.filter(([name]) => !isModes(name, found));
      return own.map(([name, endpoint]) => networkFound(name, endpoint, found, recorded));
    },
  },
  ports: {
    shape: list(
      object<Port>({
        internal: { shape: whole({ from: 1, to: 65535 }), required: true },
        external: { shape: whole({ to: 65535 }) },
        ip: { shape: text(), default: "0.0.0.0" },
        protocol: { shape: text({ oneOf: ["tcp", "udp", "sctp"] }), default: "tcp" },
      }),
    ),
    change: "replace",
    write(request, value) {
      const bindings: NonNullable<Request["HostConfig"]["PortBindings"]> = {};
      for (const { internal, external, ip, protocol } of value) {
        const key = `${internal}/${protocol ?? "tcp"}`;
        (bindings[key] ??= []).push({ HostIp: ip ?? "0.0.0.0", HostPort: external ? String(external) : "" });
      }
      request.HostConfig.PortBindings = bindings;
      request.ExposedPorts = Object.fromEntries(Object.keys(bindings).map((key) => [key, {}]));
    },
    read(found, recorded) {
      const ports = portsFound(found);
      return recorded && arePublished(ports, recorded) ? inOrder(ports, recorded) : ports;
    },
    fulfils: (recorded, wanted) => arePublished(recorded ?? [], wanted),
  },
  publishAllPorts: {
    shape: flag(),
    change: "replace",
    write: (request, value) => (request.HostConfig.PublishAllPorts = value),
    read: (found) => found.HostConfig.PublishAllPorts,
  },
  hosts: {
    shape: set(
      object<Host>({ host: { shape: text(), required: true }, ip: { shape: text(), required: true } }),
    ),
    change: "replace",
    write: (request, value) => (request.HostConfig.ExtraHosts = value.map(({ host, ip }) => `${host}:${ip}`)),
    read: (found) =>
      (found.HostConfig.ExtraHosts ?? []).map((entry) => {
        const colon = entry.indexOf(":");
        return { host: entry.slice(0, colon), ip: entry.slice(colon + 1) };
      }),
  },
  dns: {
    shape: set(text()),
    change: "replace",
    write: (request, value) => (request.HostConfig.Dns = value),
    read: (found) => found.HostConfig.Dns ?? [],
  },
  dnsOpts: {
    shape: set(text()),
    change: "replace",
    write: (request, value) => (request.HostConfig.DnsOptions = value),
    read: (found) => found.HostConfig.DnsOptions ?? [],
  },
  dnsSearches: {
    shape: set(text()),
    change: "replace",
    write: (request, value) => (request.HostConfig.DnsSearch = value),
    read: (found) => found.HostConfig.DnsSearch ?? [],
  },
} satisfies Partial<PropertyTable<ContainerArgs, Request, Found>>;

/** The networks that the container is on, as the outputs `networkDatas` and `bridge`. */
export function networkOutputs(found: Found): Record<string, unknown> {
  const networks = Object.entries(found.NetworkSettings.Networks).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    bridge: found.NetworkSettings.Bridge ?? "",
    networkDatas: networks.map(([networkName, endpoint]) => ({
      networkName,
      ipAddress: endpoint.IPAddress,
      ipPrefixLength: endpoint.IPPrefixLen,
      gateway: endpoint.Gateway,
      globalIpv6Address: endpoint.GlobalIPv6Address,
      globalIpv6PrefixLength: endpoint.GlobalIPv6PrefixLen,
      ipv6Gateway: endpoint.IPv6Gateway,
      macAddress: endpoint.MacAddress,
    })),
  };
}

function isModes(network: string, found: Found): boolean {
  return ["bridge", "host", "none", found.HostConfig.NetworkMode].includes(network);
}

function networkFound(
  name: string,
  endpoint: Endpoint,
  found: Found,
  recorded: Network[] | undefined,
): Network {
  // The program may have given the network by its ID.
  const given = recorded?.find((network) => network.name === name || network.name === endpoint.NetworkID);
  // The engine adds the container's short ID.
  const aliases = (endpoint.Aliases ?? []).filter((alias) => alias !== found.Id.slice(0, 12));
  const { IPv4Address, IPv6Address } = endpoint.IPAMConfig ?? {};
  return {
    name: given?.name ?? name,
    ...(aliases.length > 0 ? { aliases } : {}),
    ...(IPv4Address ? { ipv4Address: IPv4Address } : {}),
    ...(IPv6Address ? { ipv6Address: IPv6Address } : {}),
  };
}

/** The published ports; for one whose number outside was left to the engine, the number in use while it runs. */
function portsFound(found: Found): Port[] {
  return Object.entries(found.HostConfig.PortBindings ?? {}).flatMap(([key, bindings]) => {
    const [internal, protocol = "tcp"] = key.split("/");
    const inUse = found.NetworkSettings.Ports?.[key]?.[0]?.HostPort;
    return bindings.map(({ HostIp, HostPort }) => {
      const external = Number(HostPort) || Number(inUse);
      const ip = HostIp === "" ? "0.0.0.0" : HostIp;
      return { internal: Number(internal), ...(external ? { external } : {}), ip, protocol };
    });
  });
}

function arePublished(ports: Port[], wanted: Port[]): boolean {
  return (
    ports.length === wanted.length &&
    wanted.every((port) => ports.some((other) => isPublishedBy(other, port)))
  );
}

function isPublishedBy(port: Port, wanted: Port): boolean {
  const sameWithin =
    port.internal === wanted.internal && (port.protocol ?? "tcp") === (wanted.protocol ?? "tcp");
  const sameIp = (port.ip ?? "0.0.0.0") === (wanted.ip ?? "0.0.0.0");
  return sameWithin && sameIp && (!wanted.external || port.external === wanted.external);
}

function inOrder(ports: Port[], wanted: Port[]): Port[] {
  return wanted.map((port) => ports.find((other) => isPublishedBy(other, port)) ?? port);
}

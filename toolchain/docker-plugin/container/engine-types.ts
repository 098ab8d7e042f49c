import type Docker from "dockerode";

/** The engine's form of what a container may do, where the client's own types leave it open. */
export interface HostConfig extends Omit<Docker.HostConfig, Loose> {
  Binds?: string[] | null;
  LogConfig?: { Type: string; Config: Record<string, string> };
  PortBindings?: Record<string, { HostIp: string; HostPort: string }[]>;
  VolumesFrom?: string[] | null;
  Mounts?: Mount[] | null;
  CapAdd?: string[] | null;
  CapDrop?: string[] | null;
  Dns?: string[] | null;
  DnsOptions?: string[] | null;
  ExtraHosts?: string[] | null;
  SecurityOpt?: string[] | null;
  Devices?: { PathOnHost: string; PathInContainer: string; CgroupPermissions: string }[] | null;
  Ulimits?: { Name: string; Soft: number; Hard: number }[] | null;
  CgroupnsMode?: string;
}

type Loose =
  | "Binds"
  | "LogConfig"
  | "PortBindings"
  | "VolumesFrom"
  | "Mounts"
  | "CapAdd"
  | "CapDrop"
  | "Dns"
  | "DnsOptions"
  | "ExtraHosts"
  | "SecurityOpt"
  | "Devices"
  | "Ulimits";

export interface Mount {
  Type: string;
  Source?: string;
  Target: string;
  ReadOnly?: boolean;
  BindOptions?: { Propagation?: string };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number };
}

/** What a container is made from. */
export interface Request extends Omit<Docker.ContainerCreateOptions, "HostConfig"> {
  HostConfig: HostConfig;
}

/** What the engine tells of a container. */
export interface Found extends Omit<
  Docker.ContainerInspectInfo,
  "HostConfig" | "Config" | "NetworkSettings"
> {
  HostConfig: HostConfig;
  Config: Omit<Docker.ContainerInspectInfo["Config"], "Cmd"> & {
    Cmd?: string[] | null;
    StopSignal?: string;
    StopTimeout?: number;
  };
  NetworkSettings: {
    Bridge?: string;
    Ports?: Record<string, { HostIp: string; HostPort: string }[] | null>;
    Networks: Record<string, Endpoint>;
  };
}

export interface Endpoint {
  NetworkID: string;
  Aliases?: string[] | null;
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string } | null;
  Gateway: string;
  IPAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  MacAddress: string;
}

/** What the engine tells of a container, in the form it really has: the client's own type leaves parts open or out. */
export async function inspect(container: Docker.Container): Promise<Found> {
  return (await container.inspect()) as unknown as Found;
}

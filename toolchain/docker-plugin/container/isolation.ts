import type { ContainerArgs } from "@pulumi/docker";
import type { InputsOf, PropertyTable } from "../property-table";
import type { Shape } from "../shape";
import { flag, object, record, set, text, UNSUPPORTED } from "../shape";
import type { Found, Request } from "./engine-types";

type Inputs = InputsOf<ContainerArgs>;
type Capabilities = NonNullable<Inputs["capabilities"]>;
type Device = NonNullable<Inputs["devices"]>[number];

/** Engines take `net_admin` and `CAP_NET_ADMIN` for the same, and some show the latter whichever was given. */
const capability: Shape<string> = {
  ...text(),
  canonical(value) {
    const name = value.toUpperCase();
    return name === "ALL" || name.startsWith("CAP_") ? name : `CAP_${name}`;
  },
};

/** What the container is kept from. */
export const isolationProperties = {
  capabilities: {
    shape: object<Capabilities>({ adds: { shape: set(capability) }, drops: { shape: set(capability) } }),
    change: "replace",
    write(request, { adds, drops }) {
      request.HostConfig.CapAdd = adds;
      request.HostConfig.CapDrop = drops;
    },
    read: ({ HostConfig: { CapAdd, CapDrop } }) => ({ adds: CapAdd ?? [], drops: CapDrop ?? [] }),
  },
  privileged: {
    shape: flag(),
    change: "replace",
    write: (request, value) => (request.HostConfig.Privileged = value),
    read: (found) => found.HostConfig.Privileged,
  },
  readOnly: {
    shape: flag(),
    change: "replace",
    default: false,
    write: (request, value) => (request.HostConfig.ReadonlyRootfs = value),
    read: (found) => found.HostConfig.ReadonlyRootfs,
  },
  securityOpts: {
    shape: set(text()),
    change: "replace",
    computed: true,
    write: (request, value) => (request.HostConfig.SecurityOpt = value),
    read: (found) => found.HostConfig.SecurityOpt ?? [],
  },
  pidMode: {
    shape: text(),
    change: "replace",
    write: (request, value) => (request.HostConfig.PidMode = value),
    read: (found) => found.HostConfig.PidMode,
  },
  ipcMode: {
    shape: text(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.HostConfig.IpcMode = value),
    read: (found) => found.HostConfig.IpcMode,
  },
  usernsMode: {
    shape: text(),
    change: "replace",
    write: (request, value) => (request.HostConfig.UsernsMode = value),
    read: (found) => found.HostConfig.UsernsMode,
  },
  cgroupnsMode: {
    shape: text({ oneOf: ["private", "host"] }),
    change: "replace",
    computed: true,
    write: (request, value) => (request.HostConfig.CgroupnsMode = value),
    read: (found) => found.HostConfig.CgroupnsMode ?? "",
  },
  cgroupParent: {
    shape: text(),
    change: "replace",
    write: (request, value) => (request.HostConfig.CgroupParent = value),
    read: (found) => found.HostConfig.CgroupParent,
  },
  runtime: {
    shape: text(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.HostConfig.Runtime = value),
    read: (found) => found.HostConfig.Runtime,
  },
  sysctls: {
    shape: record(),
    change: "replace",
    write: (request, value) => (request.HostConfig.Sysctls = value),
    read: (found) => found.HostConfig.Sysctls ?? {},
  },
  devices: {
    shape: set(
      object<Device>({
        hostPath: { shape: text(), required: true },
        containerPath: { shape: text() },
        permissions: { shape: text(), default: "rwm" },
      }),
    ),
    change: "replace",
    write(request, value) {
      request.HostConfig.Devices = value.map(({ hostPath, containerPath, permissions }) => ({
        PathOnHost: hostPath,
        PathInContainer: containerPath ?? hostPath,
        CgroupPermissions: permissions ?? "rwm",
      }));
    },
    read: (found) =>
      (found.HostConfig.Devices ?? []).map(({ PathOnHost, PathInContainer, CgroupPermissions }) => ({
        hostPath: PathOnHost,
        containerPath: PathInContainer,
        permissions: CgroupPermissions,
      })),
    fulfils: (recorded, wanted) => {
      const form = (devices: Device[]) =>
        devices
          .map((one) => `${one.hostPath}:${one.containerPath ?? one.hostPath}:${one.permissions ?? "rwm"}`)
          .sort();
      return form(recorded ?? []).join() === form(wanted).join();
    },
  },
  deviceCgroupRules: {
    shape: set(text()),
    change: "replace",
    write: (request, value) => (request.HostConfig.DeviceCgroupRules = value),
    read: (found) => found.HostConfig.DeviceCgroupRules ?? [],
  },
  deviceRequests: UNSUPPORTED,
  gpus: UNSUPPORTED,
} satisfies Partial<PropertyTable<ContainerArgs, Request, Found>>;

import type { ContainerArgs } from "@pulumi/docker";
import type { InputsOf, PropertyTable } from "../property-table";
import { object, record, set, text, UNSUPPORTED, whole } from "../shape";
import type { Found, Request } from "./engine-types";

type Ulimit = NonNullable<InputsOf<ContainerArgs>["ulimits"]>[number];

export const MIB = 1024 * 1024;

/** `-1` means without limit, and has no unit. */
export const swapInBytes = (mib: number): number => (mib > 0 ? mib * MIB : mib);

/** How much the container may use. The first five are changed while it runs. */
export const limitProperties = {
  memory: {
    shape: whole(),
    change: "update",
    write: (request, value) => (request.HostConfig.Memory = value * MIB),
    read: (found) => (found.HostConfig.Memory ?? 0) / MIB,
  },
  // Where only `memory` is given, the engine sets twice of it, or -1 if the machine cannot limit swap.
  memorySwap: {
    shape: whole({ from: -1 }),
    change: "update",
    computed: true,
    write: (request, value) => (request.HostConfig.MemorySwap = swapInBytes(value)),
    read(found) {
      const bytes = found.HostConfig.MemorySwap ?? 0;
      return bytes > 0 ? bytes / MIB : bytes;
    },
  },
  cpuShares: {
    shape: whole(),
    change: "update",
    write: (request, value) => (request.HostConfig.CpuShares = value),
    read: (found) => found.HostConfig.CpuShares,
  },
  cpuSet: {
    shape: text({ matches: /^\d+([,-]\d+)*$/ }),
    change: "update",
    write: (request, value) => (request.HostConfig.CpusetCpus = value),
    read: (found) => found.HostConfig.CpusetCpus,
  },
  memoryReservation: {
    shape: whole(),
    change: "update",
    write: (request, value) => (request.HostConfig.MemoryReservation = value * MIB),
    read: (found) => (found.HostConfig.MemoryReservation ?? 0) / MIB,
  },
  cpus: {
    shape: text({ matches: /^\d+(\.\d+)?$/ }),
    change: "replace",
    write: (request, value) => (request.HostConfig.NanoCpus = Math.round(Number(value) * 1e9)),
    read: (found) => (found.HostConfig.NanoCpus ? String(found.HostConfig.NanoCpus / 1e9) : ""),
    fulfils: (recorded, wanted) => Number(recorded ?? 0) === Number(wanted),
  },
  // The official plugin calls changes of these two an update and leaves the container as it is.
  cpuPeriod: {
    shape: whole(),
    change: "replace",
    write: (request, value) => (request.HostConfig.CpuPeriod = value),
    read: (found) => found.HostConfig.CpuPeriod,
  },
  cpuQuota: {
    shape: whole(),
    change: "replace",
    write: (request, value) => (request.HostConfig.CpuQuota = value),
    read: (found) => found.HostConfig.CpuQuota,
  },
  shmSize: {
    shape: whole(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.HostConfig.ShmSize = value * MIB),
    read: (found) => (found.HostConfig.ShmSize ?? 0) / MIB,
  },
  ulimits: {
    shape: set(
      object<Ulimit>({
        name: { shape: text(), required: true },
        soft: { shape: whole({ from: -1 }), required: true },
        hard: { shape: whole({ from: -1 }), required: true },
      }),
    ),
    change: "replace",
    write(request, value) {
      request.HostConfig.Ulimits = value.map(({ name, soft, hard }) => ({
        Name: name,
        Soft: soft,
        Hard: hard,
      }));
    },
    read: (found) =>
      (found.HostConfig.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({
        name: Name,
        soft: Soft,
        hard: Hard,
      })),
  },
  storageOpts: {
    shape: record(),
    change: "replace",
    write: (request, value) => (request.HostConfig.StorageOpt = value),
    read: (found) => found.HostConfig.StorageOpt ?? {},
  },
  deviceReadBps: UNSUPPORTED,
  deviceReadIops: UNSUPPORTED,
  deviceWriteBps: UNSUPPORTED,
  deviceWriteIops: UNSUPPORTED,
} satisfies Partial<PropertyTable<ContainerArgs, Request, Found>>;

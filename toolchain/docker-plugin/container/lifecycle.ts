import type { ContainerArgs } from "@pulumi/docker";
import type { PropertyTable } from "../property-table";
import { flag, record, text, whole } from "../shape";
import type { Found, Request } from "./engine-types";

/** When the container starts, ends and starts again, and where its output goes. */
export const lifecycleProperties = {
  start: { shape: flag(), change: "note", default: true },
  mustRun: { shape: flag(), change: "note", default: true },
  attach: { shape: flag(), change: "note", default: false },
  logs: { shape: flag(), change: "note", default: false },
  destroyGraceSeconds: { shape: whole(), change: "note" },
  containerReadRefreshTimeoutMilliseconds: { shape: whole(), change: "note", default: 15_000 },
  rm: {
    shape: flag(),
    change: "note",
    default: false,
    write: (request, value) => (request.HostConfig.AutoRemove = value),
  },
  restart: {
    shape: text({ oneOf: ["no", "on-failure", "always", "unless-stopped"] }),
    change: "update",
    default: "no",
    write: (request, value) =>
      (request.HostConfig.RestartPolicy = { ...request.HostConfig.RestartPolicy, Name: value }),
    read: (found) => found.HostConfig.RestartPolicy?.Name || "no",
  },
  maxRetryCount: {
    shape: whole(),
    change: "update",
    write(request, value) {
      request.HostConfig.RestartPolicy = {
        Name: "",
        ...request.HostConfig.RestartPolicy,
        MaximumRetryCount: value,
      };
    },
    read: (found) => found.HostConfig.RestartPolicy?.MaximumRetryCount,
  },
  logDriver: {
    shape: text(),
    change: "replace",
    computed: true,
    write: (request, value) =>
      (request.HostConfig.LogConfig = { Config: {}, ...request.HostConfig.LogConfig, Type: value }),
    read: (found) => found.HostConfig.LogConfig?.Type ?? "",
  },
  logOpts: {
    shape: record(),
    change: "replace",
    write: (request, value) =>
      (request.HostConfig.LogConfig = { Type: "", ...request.HostConfig.LogConfig, Config: value }),
    // The engine's own configuration may add some.
    read(found, recorded) {
      const options = Object.entries(found.HostConfig.LogConfig?.Config ?? {});
      return Object.fromEntries(options.filter(([name]) => name in (recorded ?? {})));
    },
  },
} satisfies Partial<PropertyTable<ContainerArgs, Request, Found>>;

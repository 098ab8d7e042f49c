import type { ContainerArgs } from "@pulumi/docker";
import type Docker from "dockerode";
import { formatDuration, parseDuration } from "../duration";
import type { InputsOf, PropertyTable } from "../property-table";
import { duration, flag, list, object, text, whole } from "../shape";
import type { Found, Request } from "./engine-types";

type Healthcheck = NonNullable<InputsOf<ContainerArgs>["healthcheck"]>;

/** How it is known that the service in the container answers. */
export const healthProperties = {
  // The official plugin calls a changed health check an update and leaves the container as it is.
  healthcheck: {
    shape: object<Healthcheck>({
      tests: { shape: list(text()) },
      interval: { shape: duration(), default: "0s" },
      timeout: { shape: duration(), default: "0s" },
      startPeriod: { shape: duration(), default: "0s" },
      startInterval: { shape: duration(), default: "0s" },
      retries: { shape: whole(), default: 0 },
    }),
    change: "replace",
    computed: true,
    write: (request, value) => (request.Healthcheck = toEngine(value)),
    read: (found, recorded) => found.Config.Healthcheck && fromEngine(found.Config.Healthcheck, recorded),
  },
  wait: { shape: flag(), change: "note", default: false },
  waitTimeout: { shape: whole(), change: "note", default: 60 },
} satisfies Partial<PropertyTable<ContainerArgs, Request, Found>>;

function toEngine(check: Healthcheck): Docker.HealthConfig {
  const nanoseconds = (text: string | undefined) => parseDuration(text ?? "0s") ?? 0;
  return {
    Test: check.tests,
    Interval: nanoseconds(check.interval),
    Timeout: nanoseconds(check.timeout),
    StartPeriod: nanoseconds(check.startPeriod),
    StartInterval: nanoseconds(check.startInterval),
    Retries: check.retries ?? 0,
  };
}

function fromEngine(check: Docker.HealthConfig, recorded: Healthcheck | undefined): Healthcheck {
  return {
    tests: check.Test ?? [],
    interval: formatDuration(check.Interval ?? 0),
    timeout: formatDuration(check.Timeout ?? 0),
    startPeriod: formatDuration(check.StartPeriod ?? 0),
    // Engines before 25 do not know it, and say nothing.
    startInterval:
      check.StartInterval === undefined
        ? (recorded?.startInterval ?? "0s")
        : formatDuration(check.StartInterval),
    retries: check.Retries ?? 0,
  };
}

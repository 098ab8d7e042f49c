import type { ContainerArgs } from "@pulumi/docker";
import type { InputsOf, PropertyTable } from "../property-table";
import { labelsFound, labelsToMap } from "../property-table";
import { flag, list, object, set, text, whole } from "../shape";
import type { Found, Request } from "./engine-types";

type Label = NonNullable<InputsOf<ContainerArgs>["labels"]>[number];

/** What runs in the container, and as whom. */
export const processProperties = {
  name: {
    shape: text(),
    change: "replace",
    write: (request, value) => (request.name = value),
    read: (found) => found.Name.replace(/^\//, ""),
  },
  image: {
    shape: text(),
    required: true,
    change: "replace",
    asGiven: true,
    write: (request, value) => (request.Image = value),
    read: (found) => found.Image,
  },
  platform: {
    shape: text(),
    change: "replace",
    computed: true,
    asGiven: true,
    write: (request, value) => (request.platform = value),
    read: (found) => found.Platform,
  },
  command: {
    shape: list(text()),
    change: "replace",
    computed: true,
    write: (request, value) => (request.Cmd = value),
    read: (found) => found.Config.Cmd ?? [],
  },
  entrypoints: {
    shape: list(text()),
    change: "replace",
    computed: true,
    write: (request, value) => (request.Entrypoint = value),
    read: (found) => [found.Config.Entrypoint ?? []].flat(),
  },
  envs: {
    shape: set(text({ matches: /^[^=]+/ })),
    change: "replace",
    computed: true,
    write: (request, value) => (request.Env = value),
    // The image's own variables are among those found: they are not the program's.
    read: (found, recorded) => (recorded ?? []).filter((env) => found.Config.Env.includes(env)),
  },
  user: {
    shape: text(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.User = value),
    read: (found) => found.Config.User,
  },
  groupAdds: {
    shape: set(text()),
    change: "replace",
    write: (request, value) => (request.HostConfig.GroupAdd = value),
    read: (found) => found.HostConfig.GroupAdd ?? [],
  },
  workingDir: {
    shape: text(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.WorkingDir = value),
    read: (found) => found.Config.WorkingDir,
  },
  hostname: {
    shape: text(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.Hostname = value),
    read: (found) => found.Config.Hostname,
  },
  domainname: {
    shape: text(),
    change: "replace",
    write: (request, value) => (request.Domainname = value),
    read: (found) => found.Config.Domainname,
  },
  labels: {
    shape: set(
      object<Label>({ label: { shape: text(), required: true }, value: { shape: text(), required: true } }),
    ),
    change: "replace",
    computed: true,
    write: (request, value) => (request.Labels = labelsToMap(value)),
    read: (found, recorded) => labelsFound(found.Config.Labels, recorded ?? []),
  },
  tty: {
    shape: flag(),
    change: "replace",
    default: false,
    write: (request, value) => (request.Tty = value),
    read: (found) => found.Config.Tty,
  },
  stdinOpen: {
    shape: flag(),
    change: "replace",
    default: false,
    write: (request, value) => (request.OpenStdin = value),
    read: (found) => found.Config.OpenStdin,
  },
  stopSignal: {
    shape: text(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.StopSignal = value),
    read: (found) => found.Config.StopSignal ?? "",
  },
  stopTimeout: {
    shape: whole(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.StopTimeout = value),
    read: (found) => found.Config.StopTimeout ?? 0,
  },
  // The official plugin calls a changed `init` an update and leaves the container as it is.
  init: {
    shape: flag(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.HostConfig.Init = value),
    read: (found) => found.HostConfig.Init ?? false,
  },
} satisfies Partial<PropertyTable<ContainerArgs, Request, Found>>;

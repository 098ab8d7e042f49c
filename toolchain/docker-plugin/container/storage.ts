import type { ContainerArgs } from "@pulumi/docker";
import type { InputsOf, PropertyTable } from "../property-table";
import type { Shape } from "../shape";
import { flag, object, record, set, text, UNSUPPORTED, whole } from "../shape";
import type { Found, Mount, Request } from "./engine-types";

type Inputs = InputsOf<ContainerArgs>;
type Volume = NonNullable<Inputs["volumes"]>[number];
type MountInput = NonNullable<Inputs["mounts"]>[number];
type BindOptions = NonNullable<MountInput["bindOptions"]>;
type TmpfsOptions = NonNullable<MountInput["tmpfsOptions"]>;
export type Upload = NonNullable<Inputs["uploads"]>[number];

// `owner` and `group` are, in the official plugin, names of the machine that runs it, which is of no use.
const file = object<Upload>({
  file: { shape: text({ matches: /^\// }), required: true },
  content: { shape: text() },
  contentBase64: { shape: text({ matches: /^[A-Za-z0-9+/]*={0,2}$/ }) },
  source: { shape: text() },
  sourceHash: { shape: text() },
  executable: { shape: flag(), default: false },
  permissions: { shape: text({ matches: /^0[0-7]{3}$/ }) },
  owner: UNSUPPORTED,
  group: UNSUPPORTED,
});

const upload: Shape<Upload> = {
  ...file,
  faults(value, path) {
    const faults = file.faults(value, path);
    if (faults.length > 0) return faults;
    const { content, contentBase64, source } = value as Upload;
    const given = [content, contentBase64, source].filter((one) => one !== undefined && one !== "");
    const reason = "expected exactly one of content, contentBase64 and source, and it may not be empty";
    return given.length === 1 ? [] : [{ path, reason }];
  },
};

/** What is on the container's disk besides its image. */
export const storageProperties = {
  volumes: {
    shape: set(
      object<Volume>({
        containerPath: { shape: text() },
        volumeName: { shape: text() },
        hostPath: { shape: text({ matches: /^([a-zA-Z]:\\|\/)/ }) },
        fromContainer: { shape: text() },
        readOnly: { shape: flag() },
        selinuxRelabel: { shape: text({ oneOf: ["z", "Z"] }) },
      }),
    ),
    change: "replace",
    write(request, value) {
      request.HostConfig.Binds = bindsOf(value);
      request.HostConfig.VolumesFrom = value.flatMap(({ fromContainer, readOnly }) =>
        fromContainer ? [`${fromContainer}:${readOnly ? "ro" : "rw"}`] : [],
      );
      const anonymous = value.filter(
        (volume) => volume.containerPath && !volume.fromContainer && !sourceOf(volume),
      );
      request.Volumes = Object.fromEntries(anonymous.map(({ containerPath }) => [containerPath ?? "", {}]));
    },
    read(found, recorded) {
      const binds = found.HostConfig.Binds ?? [];
      const known = new Map((recorded ?? []).map((volume) => [bindOf(volume), volume]));
      // Anonymous volumes and those of other containers are not told apart from the image's own.
      const others = (recorded ?? []).filter((volume) => bindOf(volume) === undefined);
      return [...binds.map((bind) => known.get(bind) ?? parseBind(bind)), ...others];
    },
  },
  mounts: {
    shape: set(
      object<MountInput>({
        type: { shape: text({ oneOf: ["bind", "volume", "tmpfs"] }), required: true },
        target: { shape: text(), required: true },
        source: { shape: text() },
        readOnly: { shape: flag() },
        bindOptions: { shape: object<BindOptions>({ propagation: { shape: text() } }) },
        tmpfsOptions: {
          shape: object<TmpfsOptions>({ mode: { shape: whole() }, sizeBytes: { shape: whole() } }),
        },
        volumeOptions: UNSUPPORTED,
      }),
    ),
    change: "replace",
    write: (request, value) => (request.HostConfig.Mounts = value.map(mountToEngine)),
    read: (found) => (found.HostConfig.Mounts ?? []).map(mountFromEngine),
  },
  // The official plugin calls a changed `tmpfs` an update and leaves the container as it is.
  tmpfs: {
    shape: record(),
    change: "replace",
    write: (request, value) => (request.HostConfig.Tmpfs = value),
    read: (found) => found.HostConfig.Tmpfs ?? {},
  },
  // Put into the container between its creation and its start.
  uploads: { shape: set(upload), change: "replace" },
  removeVolumes: { shape: flag(), change: "note", default: true },
} satisfies Partial<PropertyTable<ContainerArgs, Request, Found>>;

const sourceOf = ({ hostPath, volumeName }: Volume): string | undefined => hostPath || volumeName;

/** The form in which the engine takes and shows the volume; undefined if it has none. */
function bindOf(volume: Volume): string | undefined {
  const source = sourceOf(volume);
  if (!source || !volume.containerPath || volume.fromContainer) return undefined;
  const mode = [volume.readOnly ? "ro" : "rw", ...(volume.selinuxRelabel ? [volume.selinuxRelabel] : [])];
  return `${source}:${volume.containerPath}:${mode.join()}`;
}

function bindsOf(volumes: Volume[]): string[] {
  return volumes.map(bindOf).filter((bind) => bind !== undefined);
}

function parseBind(bind: string): Volume {
  const [source = "", containerPath = "", mode = "rw"] = bind.split(":");
  const named = source.startsWith("/") ? { hostPath: source } : { volumeName: source };
  return { ...named, containerPath, readOnly: mode.split(",").includes("ro") };
}

function mountToEngine({ type, target, source, readOnly, bindOptions, tmpfsOptions }: MountInput): Mount {
  return {
    Type: type,
    Target: target,
    ...(source ? { Source: source } : {}),
    ...(readOnly ? { ReadOnly: true } : {}),
    ...(bindOptions?.propagation ? { BindOptions: { Propagation: bindOptions.propagation } } : {}),
    ...(tmpfsOptions ? { TmpfsOptions: { SizeBytes: tmpfsOptions.sizeBytes, Mode: tmpfsOptions.mode } } : {}),
  };
}

function mountFromEngine(mount: Mount): MountInput {
  return {
    type: mount.Type,
    target: mount.Target,
    source: mount.Source,
    readOnly: mount.ReadOnly,
    bindOptions: { propagation: mount.BindOptions?.Propagation },
    tmpfsOptions: { sizeBytes: mount.TmpfsOptions?.SizeBytes, mode: mount.TmpfsOptions?.Mode },
  };
}

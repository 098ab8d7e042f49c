import type { VolumeArgs } from "@pulumi/docker";
import type Docker from "dockerode";
import { ifExists, reason } from "./engine-messages";
import type { InputsOf, PropertyTable } from "./property-table";
import { fillRequest, labelsFound, labelsToMap, readProperties } from "./property-table";
import type { ResourceType } from "./resource-type";
import { retryWhileInUse } from "./retry";
import { object, record, set, text, UNSUPPORTED } from "./shape";

type Label = NonNullable<InputsOf<VolumeArgs>["labels"]>[number];
type Request = Docker.VolumeCreateOptions;
type Found = Docker.VolumeInspectInfo;

const table: PropertyTable<VolumeArgs, Request, Found> = {
  name: {
    shape: text(),
    change: "replace",
    write: (request, value) => (request.Name = value),
    read: (found) => found.Name,
  },
  driver: {
    shape: text(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.Driver = value),
    read: (found) => found.Driver,
  },
  driverOpts: {
    shape: record(),
    change: "replace",
    write: (request, value) => (request.DriverOpts = value),
    read: (found) => found.Options ?? {},
  },
  labels: {
    shape: set(
      object<Label>({ label: { shape: text(), required: true }, value: { shape: text(), required: true } }),
    ),
    change: "replace",
    write: (request, value) => (request.Labels = labelsToMap(value)),
    read: (found, recorded) => labelsFound(found.Labels, recorded),
  },
  cluster: UNSUPPORTED,
};

export const volume: ResourceType = {
  table,
  autoName: true,
  deleteBeforeReplace: false,

  /** A volume that is there already is taken over, as the engine and the official plugin do: its data are worth keeping. */
  async create(inputs, { docker }) {
    const name = String(inputs["name"]);
    try {
      await docker.createVolume(fillRequest(table, {}, inputs));
    } catch (error) {
      throw new Error(`Volume ${name}: ${reason(error)}`, { cause: error });
    }
    return { id: name, outputs: outputs(await docker.getVolume(name).inspect(), inputs) };
  },

  async read(id, recorded, { docker }) {
    const found = await ifExists(docker.getVolume(id).inspect());
    return found && { id: found.Name, outputs: outputs(found, recorded) };
  },

  async delete(id, _recorded, { docker, signal }) {
    await retryWhileInUse(`Volume ${id}`, signal, () => ifExists(docker.getVolume(id).remove()));
  },
};

function outputs(found: Found, recorded: Record<string, unknown>): Record<string, unknown> {
  return { ...readProperties(table, found, recorded), mountpoint: found.Mountpoint };
}

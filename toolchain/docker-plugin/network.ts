import type { NetworkArgs } from "@pulumi/docker";
import type Docker from "dockerode";
import { ifExists, reason, statusCode } from "./engine-messages";
import type { InputsOf, PropertyTable } from "./property-table";
import { fillRequest, labelsFound, labelsToMap, readProperties } from "./property-table";
import type { ResourceType } from "./resource-type";
import { retryWhileInUse } from "./retry";
import { flag, object, record, set, text } from "./shape";

type Inputs = InputsOf<NetworkArgs>;
type IpamConfig = NonNullable<Inputs["ipamConfigs"]>[number];
type Label = NonNullable<Inputs["labels"]>[number];
type Request = Docker.NetworkCreateOptions & { IPAM: Docker.IPAM };
type Found = Docker.NetworkInspectInfo;

const table: PropertyTable<NetworkArgs, Request, Found> = {
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
  internal: {
    shape: flag(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.Internal = value),
    read: (found) => found.Internal,
  },
  attachable: {
    shape: flag(),
    change: "replace",
    write: (request, value) => (request.Attachable = value),
    read: (found) => found.Attachable,
  },
  ingress: {
    shape: flag(),
    change: "replace",
    write: (request, value) => (request.Ingress = value),
    read: (found) => found.Ingress,
  },
  ipv6: {
    shape: flag(),
    change: "replace",
    write: (request, value) => (request.EnableIPv6 = value),
    read: (found) => found.EnableIPv6,
  },
  options: {
    shape: record(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.Options = value),
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
  ipamDriver: {
    shape: text(),
    change: "replace",
    default: "default",
    write: (request, value) => (request.IPAM.Driver = value),
    read: (found) => found.IPAM?.Driver,
  },
  ipamOptions: {
    shape: record(),
    change: "replace",
    computed: true,
    write: (request, value) => (request.IPAM.Options = value),
    read: (found) => found.IPAM?.Options ?? {},
  },
  ipamConfigs: {
    shape: set(
      object<IpamConfig>({
        subnet: { shape: text() },
        ipRange: { shape: text() },
        gateway: { shape: text() },
        auxAddress: { shape: record() },
      }),
    ),
    change: "replace",
    computed: true,
    write: (request, value) => (request.IPAM.Config = value.map(toEngine)),
    read: (found) => (found.IPAM?.Config ?? []).map(fromEngine),
    // The engine fills in the gateway of a subnet.
    fulfils: (recorded, wanted) =>
      recorded?.length === wanted.length &&
      wanted.every((config) => recorded.some((other) => isWithin(config, other))),
  },
};

export const network: ResourceType = {
  table,
  autoName: true,
  deleteBeforeReplace: false,

  async create(inputs, { docker }) {
    const { name } = inputs as { name: string };
    // Without the check, engines before 25 make a second network of the same name, and a container that asks for the
    // name is refused by both.
    const request: Request = { Name: name, CheckDuplicate: true, IPAM: {} };
    try {
      const { id } = await docker.createNetwork(fillRequest(table, request, inputs));
      const found: Found = await docker.getNetwork(id).inspect();
      return { id, outputs: outputs(found, inputs) };
    } catch (error) {
      if (statusCode(error) !== 409) throw new Error(`Network ${name}: ${reason(error)}`, { cause: error });
      throw new Error(
        `Network ${name}: the engine has a network of this name that is not in the stack's state, perhaps from an ` +
          `interrupted run. If it is not needed: docker network rm ${name}`,
        { cause: error },
      );
    }
  },

  async read(id, recorded, { docker }) {
    const found = await ifExists<Found>(docker.getNetwork(id).inspect());
    return found && { id: found.Id, outputs: outputs(found, recorded) };
  },

  async delete(id, recorded, { docker, signal }) {
    const { name } = recorded as { name: string };
    // A container that is just being removed still holds its end of the network for a moment.
    await retryWhileInUse(`Network ${name}`, signal, () => ifExists(docker.getNetwork(id).remove()));
  },
};

function outputs(found: Found, recorded: Record<string, unknown>): Record<string, unknown> {
  return { ...readProperties(table, found, recorded), scope: found.Scope };
}

type EngineConfig = NonNullable<Docker.IPAM["Config"]>[number];

function toEngine(config: IpamConfig): EngineConfig {
  const { subnet, ipRange, gateway, auxAddress } = config;
  return { Subnet: subnet, IPRange: ipRange, Gateway: gateway, AuxiliaryAddresses: auxAddress };
}

function fromEngine(config: EngineConfig): IpamConfig {
  const aux = Object.entries(config.AuxiliaryAddresses ?? {}).filter(
    (entry): entry is [string, string] => !!entry[1],
  );
  return {
    ...(config.Subnet ? { subnet: config.Subnet } : {}),
    ...(config.IPRange ? { ipRange: config.IPRange } : {}),
    ...(config.Gateway ? { gateway: config.Gateway } : {}),
    ...(aux.length > 0 ? { auxAddress: Object.fromEntries(aux) } : {}),
  };
}

function isWithin(config: IpamConfig, other: IpamConfig): boolean {
  return (Object.keys(config) as (keyof IpamConfig)[])
    .filter((key) => !key.startsWith("__"))
    .every((key) => !config[key] || JSON.stringify(config[key]) === JSON.stringify(other[key]));
}

import { dockerClient } from "../../toolchain/docker-client";

/** Begins the name of everything that these tests make. */
export const stack = "fake-aws";
export const prefix = `lakestack-${stack}`;

/** Removes what the tests made, whatever state they left it in. */
export async function removeTraces(): Promise<void> {
  const docker = dockerClient();
  const isOurs = (name: string) => name === prefix || name.startsWith(`${prefix}-`);
  for (const { Id, Names } of await docker.listContainers({ all: true })) {
    if (Names.some((name) => isOurs(name.slice(1)))) {
      await docker.getContainer(Id).remove({ force: true, v: true });
    }
  }
  for (const { Id, Name } of await docker.listNetworks()) {
    if (isOurs(Name)) await docker.getNetwork(Id).remove();
  }
  for (const { Name } of (await docker.listVolumes()).Volumes) {
    if (isOurs(Name)) await docker.getVolume(Name).remove();
  }
}

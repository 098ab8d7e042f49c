import type Docker from "dockerode";

/** A container of a stack, as the engine lists it. */
export interface StackContainer {
  id: string;
  name: string;
  /** Name of the workload. */
  service: string;
  /** It runs no service: it has brought files to one, and never starts. */
  carrier: boolean;
  /** For example "running" or "exited". */
  state: string;
  /** As `docker ps` says it: "Up 3 minutes (healthy)". */
  status: string;
  ports: Docker.Port[];
}

const stackLabel = "lakestack.stack";

export const labelled = (stack: string) => ({ label: [`${stackLabel}=${stack}`] });

/** All containers of the stack, running or not, in the order in which they were made. */
export async function stackContainers(docker: Docker, stack: string): Promise<StackContainer[]> {
  const found = await docker.listContainers({ all: true, filters: labelled(stack) });
  return found
    .sort((a, b) => a.Created - b.Created)
    .map((container) => ({
      id: container.Id,
      name: (container.Names[0] ?? "").replace(/^\//, ""),
      service: container.Labels["lakestack.service"] ?? "?",
      carrier: container.Labels["lakestack.service"] === undefined,
      state: container.State,
      status: container.Status,
      ports: container.Ports,
    }));
}

/** Waits for nothing, asks for nothing, and does not mind if the container has gone already. */
export async function removeContainer(docker: Docker, id: string): Promise<void> {
  await ignoreAbsence(docker.getContainer(id).remove({ force: true }));
}

export async function ignoreAbsence(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Error && "statusCode" in error && error.statusCode === 404)) throw error;
  }
}

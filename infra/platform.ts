import type * as pulumi from "@pulumi/pulumi";
import type { Task, Workload } from "./workload";

/** A workload that a platform has taken in. */
export interface Deployment {
  /** Resources that are there only when the workload answers: what needs it depends on these. */
  ready: pulumi.Resource[];
}

/** Turns workloads into real resources. Services see no more of a platform than this. */
export interface Platform {
  /**
   * @param parent the service that the workload belongs to.
   * @param after what must answer before the workload starts.
   */
  deploy(workload: Workload, parent: pulumi.Resource, after?: Deployment[]): Deployment;
}

/** A platform that runs one-off steps beside the services, where the machine that runs Pulumi can't reach them. */
export interface TaskRunner {
  /** @returns what is ready when the step has succeeded. */
  run(task: Task, parent: pulumi.Resource, after?: Deployment[]): Deployment;
}

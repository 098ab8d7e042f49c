import type * as pulumi from "@pulumi/pulumi";
import type { Workload } from "./workload";

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

  /** Address at which the machine that runs Pulumi reaches a published port. */
  readonly publishedHost: string;
}

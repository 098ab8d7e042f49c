import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { certificateWatch } from "../connections";
import type { Deployment, Platform } from "../platform";
import { caFile } from "./airflow-settings";
import type { Trino } from "./trino";

export interface CertificateWatchArgs {
  platform: Platform;
  /** Trino's: it has what asks for a certificate. */
  image: pulumi.Input<string>;
  trino: Trino;
}

const program = "/opt/lakestack/certificate-watch";

/** Name in the lines that it writes, of the number of days. */
export const daysField = "certificateDays";

/**
 * Asks Trino for its certificate as its clients do, and writes how many days are left: for a platform that makes a metric
 * of what containers write. What Trino shows is measured, and not what it was given.
 */
export class CertificateWatch extends pulumi.ComponentResource {
  readonly deployment: Deployment;

  constructor(name: string, args: CertificateWatchArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:CertificateWatch", name, {}, options);
    const { trino } = args;
    this.deployment = args.platform.deploy(
      {
        name: certificateWatch,
        image: args.image,
        command: ["/bin/bash", program, trino.host, String(trino.port), caFile],
        files: [
          {
            path: program,
            content: readFileSync("infra/services/certificate-watch.sh", "utf8"),
            executable: true,
          },
          { path: caFile, content: trino.authority },
        ],
        health: {
          // It has had an answer since before the last one was due.
          ready: ["/bin/bash", "-c", "[[ -n $(find /tmp/answered -mmin -125) ]]"],
          intervalSeconds: 60,
          // Its restart would not mend Trino.
          alive: false,
        },
        resources: { memoryMiB: 64 },
      },
      this,
      [trino.deployment],
    );
    this.registerOutputs({});
  }
}

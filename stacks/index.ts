import { readConfig } from "../infra/config";
import type { Platform } from "../infra/config";
import { dev } from "./dev";

/** The programs, by the platform that the configuration names. */
const programs = { docker: dev } satisfies Record<Platform, typeof dev>;

/** What Pulumi runs. */
module.exports = async () => {
  const config = readConfig();
  return programs[config.platform](config);
};

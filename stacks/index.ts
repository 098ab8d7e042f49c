import { readConfig } from "../infra/config";
import type { Platform, StackConfig } from "../infra/config";
import type { StackOutputs } from "./lakehouse";

// Pulumi takes a stack trace for each of its promises. Its own way of mapping them reads a source map for every file of its
// packages, four per cent of the time that an unchanged `up` takes; Node's, which tsx has switched on, tells the same lines of ours.
Reflect.deleteProperty(Error, "prepareStackTrace");

type Program = (config: StackConfig) => Promise<StackOutputs>;

/** The programs, by the platform that the configuration names. Only the one that runs is loaded, with its SDK. */
const programs: Record<Platform, () => Promise<Program>> = {
  docker: async () => (await import("./dev.js")).dev,
  kubernetes: async () => (await import("./kubernetes.js")).kubernetesStack,
  aws: async () => (await import("./prod.js")).prod,
};

/** What Pulumi runs. */
module.exports = async () => {
  const config = readConfig();
  const program = await programs[config.platform]();
  return program(config);
};

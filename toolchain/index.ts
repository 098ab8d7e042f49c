/** What makes a fresh machine able to run `pulumi up`. Knows nothing of the stack. */
export { cacheFolder } from "./cache";
export { dockerClient, dockerEndpoint } from "./docker-client";
export { elapsed, terminalReporter, type Reporter, type Task } from "./progress";
export { projectFolder, toolFolder } from "./project";
export { UserError } from "./user-error";

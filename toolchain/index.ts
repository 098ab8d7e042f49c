/** What makes a fresh machine able to run `pulumi up`. Knows nothing of the stack. */
export { ensureBaseImage, presentBaseImage } from "./base-image";
export { hostCertificates } from "./ca-bundle";
export { cacheFolder } from "./cache";
export { withoutCredentials } from "./credentials";
export { dockerClient, dockerEndpoint } from "./docker-client";
export { ensureDocker } from "./docker-engine";
export { elapsed, terminalReporter, type Reporter, type Task } from "./progress";
export { projectFolder, toolFolder } from "./project";
export { ensurePulumi, type Tools, type Way } from "./pulumi";
export { PassphraseLost } from "./pulumi-state";
export { withScratch } from "./scratch";
export { UserError } from "./user-error";

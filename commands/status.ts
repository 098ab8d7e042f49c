import type Docker from "dockerode";
import { dockerClient, UserError } from "../toolchain/index";
import { caFile, certificateReport } from "./certificate-facts";
import { type Command, messageOf, readOptions } from "./command";
import { containerMemory } from "./machine-facts";
import { Settings } from "./settings";
import { type StackContainer, stackContainers } from "./stack-containers";
import { bytes, table } from "./table";

const usage =
  "npm run status     each service: state, health, address, memory; days that Trino's certificate is valid for; exit code 1 unless all are healthy";

export interface ServiceStatus {
  service: string;
  state: string;
  health: string;
  url: string;
  /** Bytes; undefined if it does not run. */
  memory?: number;
}

/** What each container of the stack is doing. */
export async function stackStatus(docker: Docker, stack: string): Promise<ServiceStatus[]> {
  const containers = (await stackContainers(docker, stack)).filter(({ carrier }) => !carrier);
  return Promise.all(containers.map((container) => serviceStatus(docker, container)));
}

async function serviceStatus(docker: Docker, container: StackContainer): Promise<ServiceStatus> {
  const { State } = await docker.getContainer(container.id).inspect();
  const running = container.state === "running";
  return {
    service: container.service,
    state: running ? "running" : `${container.state} (code ${State.ExitCode})`,
    health: running ? (State.Health?.Status ?? "no check") : "–",
    url: addresses(container),
    memory: running ? await containerMemory(docker, container.id) : undefined,
  };
}

/** Where a browser or client reaches the service. 8443 is where TLS is spoken inside. */
function addresses({ ports }: StackContainer): string {
  const published = ports.filter(
    ({ PublicPort }) => PublicPort !== 0 && (PublicPort as number | undefined) !== undefined,
  );
  const urls = published.map(
    ({ PrivatePort, PublicPort }) => `${PrivatePort === 8443 ? "https" : "http"}://localhost:${PublicPort}`,
  );
  return [...new Set(urls)].join(" ");
}

export const command: Command = {
  usage,
  async run(args, { stack }) {
    readOptions(usage, args, {});
    const services = await stackStatus(dockerClient(), stack).catch((error: unknown) => {
      throw new UserError(`Docker does not answer: ${messageOf(error)}`, "See npm run doctor.");
    });
    if (services.length === 0) {
      console.log(`Stack ${stack} is not up. Bring it up: npm run up`);
      return 1;
    }
    const rows = services.map(({ service, state, health, url, memory }) => [
      service,
      state,
      health,
      url,
      memory === undefined ? "–" : bytes(memory),
    ]);
    const total = services.reduce((sum, { memory = 0 }) => sum + memory, 0);
    console.log(table(["service", "state", "health", "address", "memory"], rows));
    console.log(`\n${services.length} services, ${bytes(total)} of memory in all.`);
    const url = services
      .flatMap((service) => service.url.split(" "))
      .find((each) => each.startsWith("https:"));
    const report =
      url === undefined
        ? []
        : await certificateReport(url, caFile(stack), (await Settings.read(stack)).ownCertificate);
    for (const line of report) console.log(`\n${line}`);
    const ill = services.filter(({ health }) => health !== "healthy" && health !== "no check");
    if (ill.length === 0) return 0;
    console.log(
      `Not healthy: ${ill.map(({ service }) => service).join(", ")}. See npm run logs -- ${ill[0]?.service ?? ""}`,
    );
    return 1;
  },
};

import { dockerClient, UserError } from "../toolchain/index";
import { type Command, messageOf, readOptions } from "./command";
import { stackContainers } from "./stack-containers";

const usage = `npm run logs -- SERVICE [OPTIONS]     what a service writes
  --follow, -f       go on as it writes, until Ctrl-C
  --tail N, -n N     the last N lines; default: 200`;

export const command: Command = {
  usage,
  async run(args, { stack, signal }) {
    const { values, positionals } = readOptions(
      usage,
      args,
      {
        follow: { type: "boolean", short: "f", default: false },
        tail: { type: "string", short: "n", default: "200" },
      },
      true,
    );
    const tail = Number(values.tail);
    if (!Number.isInteger(tail) || tail < 1) {
      throw new UserError(`--tail is "${values.tail}", expected a number of lines.`, usage);
    }

    const docker = dockerClient();
    const all = await stackContainers(docker, stack).catch((error: unknown) => {
      throw new UserError(`Docker does not answer: ${messageOf(error)}`, "See npm run doctor.");
    });
    const containers = all.filter(({ carrier }) => !carrier);
    const [wanted = ""] = positionals;
    const found = containers.find(({ service, name }) => service === wanted || name === wanted);
    if (found === undefined) {
      const names = containers.map(({ service }) => service).sort();
      throw new UserError(
        wanted === "" ? "Which service?" : `Stack ${stack} has no service "${wanted}".`,
        names.length === 0
          ? `Stack ${stack} is not up. Bring it up: npm run up`
          : `These are there: ${names.join(", ")}\nFor example: npm run logs -- ${names[0] ?? ""}`,
      );
    }

    const container = docker.getContainer(found.id);
    const options = { stdout: true, stderr: true, tail };
    const stream = values.follow
      ? await container.logs({ ...options, follow: true })
      : await container.logs({ ...options, follow: false });
    if (Buffer.isBuffer(stream)) {
      for (const { error, text } of frames(stream)) (error ? process.stderr : process.stdout).write(text);
      return 0;
    }
    docker.modem.demuxStream(stream, process.stdout, process.stderr);
    await new Promise<void>((resolve, reject) => {
      stream.once("end", resolve);
      stream.once("error", reject);
      signal.addEventListener("abort", () => {
        resolve();
      });
    });
    return 0;
  },
};

/** Docker puts eight bytes before each piece: 2 for standard error, three unused, the length. */
export function frames(log: Buffer): { error: boolean; text: Buffer }[] {
  const found: { error: boolean; text: Buffer }[] = [];
  for (let at = 0; at + 8 <= log.length;) {
    const end = at + 8 + log.readUInt32BE(at + 4);
    found.push({ error: log[at] === 2, text: log.subarray(at + 8, end) });
    at = end;
  }
  return found;
}

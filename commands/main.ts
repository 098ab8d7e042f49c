import { setMaxListeners } from "node:events";
import { terminalReporter, UserError } from "../toolchain/index";
import { type Command, messageOf } from "./command";
import { assertOnDocker } from "./docker-only";
import { exit } from "./exit";
import { table } from "./table";

interface Entry {
  summary: string;
  load: () => Promise<Command>;
}

/** Loaded when asked for, so that a small command starts as fast as it can. */
const commands: Record<string, Entry> = {
  up: {
    summary: "bring the stack up, load the sample data, run the pipelines, query the tables",
    load: async () => (await import("./up.js")).command,
  },
  down: {
    summary: "stop the stack; all data is kept",
    load: async () => (await import("./down.js")).command,
  },
  destroy: {
    summary: "remove the stack and its data, after saying what and asking",
    load: async () => (await import("./destroy.js")).command,
  },
  status: {
    summary: "each service: state, health, URL, memory",
    load: async () => (await import("./status.js")).command,
  },
  logs: {
    summary: "what a service writes: npm run logs -- trino",
    load: async () => (await import("./logs.js")).command,
  },
  doctor: {
    summary: "check this machine; each finding with its remedy",
    load: async () => (await import("./doctor.js")).command,
  },
  env: {
    summary: 'settings for the pulumi command: eval "$(npm run -s env)"',
    load: async () => (await import("./env.js")).command,
  },
  user: {
    summary: "who may log in to Trino: npm run user -- list, add, passwd, remove",
    load: async () => (await import("./user.js")).command,
  },
  certificates: {
    summary: "Trino's certificate and its authority: days left, --renew",
    load: async () => (await import("./certificates.js")).command,
  },
  rotate: {
    summary: "other passwords and keys, everywhere: npm run rotate -- all",
    load: async () => (await import("./rotate.js")).command,
  },
  docs: {
    summary: "write the configuration reference anew",
    load: async () => (await import("./docs.js")).command,
  },
  cost: {
    summary: "what the stack on AWS costs a month",
    load: async () => (await import("./cost.js")).command,
  },
  sbom: {
    summary: "a bill of materials for each image and for the npm packages",
    load: async () => (await import("./sbom.js")).command,
  },
  "audit:dependencies": {
    summary: "all pinned packages against known advisories",
    load: async () => (await import("./audit-dependencies.js")).command,
  },
  bump: {
    summary: "another version of a part, with its hashes: npm run bump -- trino 477",
    load: async () => (await import("./bump.js")).command,
  },
  test: { summary: "the tests for each change", load: async () => (await import("./test.js")).all },
  "test:all": {
    summary: "those, and the tests that take long",
    load: async () => (await import("./test.js")).everything,
  },
  "test:unit": {
    summary: "the quick tests, without containers",
    load: async () => (await import("./test.js")).unit,
  },
  "test:e2e": {
    summary: "the end-to-end tests, on real containers",
    load: async () => (await import("./test.js")).endToEnd,
  },
  "test:fake-aws": {
    summary: "the tests of the services on a fake AWS in a container",
    load: async () => (await import("./test.js")).onFakeAws,
  },
  "test:cluster": {
    summary: "the tests on a Kubernetes cluster, which is made for them and removed",
    load: async () => (await import("./test.js")).onCluster,
  },
  "cluster:up": {
    summary: "a Kubernetes cluster on this machine, for tests and for trying things out",
    load: async () => (await import("./cluster.js")).up,
  },
  "cluster:down": {
    summary: "stop the cluster; what is in it is kept",
    load: async () => (await import("./cluster.js")).down,
  },
  "cluster:destroy": {
    summary: "remove the cluster with all that is in it",
    load: async () => (await import("./cluster.js")).destroy,
  },
  "cluster:status": {
    summary: "the cluster's state, pods and memory",
    load: async () => (await import("./cluster.js")).status,
  },
  "bench:up": {
    summary: "measure up against plain containers",
    load: async () => (await import("../bench/up.js")).command,
  },
  "bench:ingest": {
    summary: "measure what a batch costs by the size of its table",
    load: async () => (await import("../bench/ingest.js")).command,
  },
  "bench:catalog": {
    summary: "measure commits a second of the catalog",
    load: async () => (await import("../bench/catalog.js")).command,
  },
  "bench:scheduler": {
    summary: "measure tasks a second of the scheduler",
    load: async () => (await import("../bench/scheduler.js")).command,
  },
  "bench:pipelines": {
    summary: "measure a small day, and eight sources due at once",
    load: async () => (await import("../bench/pipelines.js")).command,
  },
  "bench:maintenance": {
    summary: "measure a table of many small batches before and after its maintenance",
    load: async () => (await import("../bench/maintenance.js")).command,
  },
  "bench:spark-scaling": {
    summary: "measure Spark's workers against a pod an executor, on Kubernetes",
    load: async () => (await import("../bench/spark-scaling.js")).command,
  },
  "source:add": {
    summary: "look at real files and draft the declaration of a source",
    load: async () => (await import("./source-add.js")).command,
  },
  "source:replay": {
    summary: "try the rows in a source's quarantine again",
    load: async () => (await import("./source-replay.js")).command,
  },
  "tables:copy": {
    summary: "copy the declared tables and the users of one stack to another",
    load: async () => (await import("./tables-copy.js")).command,
  },
};

function overview(): string {
  return table(
    ["command", "what it does"],
    Object.entries(commands).map(([name, { summary }]) => [`npm run ${name}`, summary]),
  );
}

/** npm and the terminal may each send Ctrl-C for one press of the keys: two this close, ms, are one. */
const onePress = 500;

/**
 * The first Ctrl-C (or a closed terminal) aborts the signal, and the command ends in its own time. Another one, when
 * the first has been given time to work, ends this process at once.
 */
function interruptible(): AbortSignal {
  const controller = new AbortController();
  // Every request to the engine listens to it while it lasts, and many last at the same time.
  setMaxListeners(0, controller.signal);
  let first = 0;
  const stop = () => {
    if (first === 0) {
      first = Date.now();
      controller.abort(new Error("Interrupted"));
    } else if (Date.now() - first > onePress) {
      process.exit(130);
    }
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, stop);
  return controller.signal;
}

async function main(name: string | undefined, args: readonly string[]): Promise<number> {
  const entry = name === undefined ? undefined : commands[name];
  if (entry === undefined) {
    if (name !== undefined) console.error(`There is no command "${name}".\n`);
    console.error(overview());
    return name === undefined ? 0 : 1;
  }
  const signal = interruptible();
  const command = await entry.load();
  if (args.includes("--help") || args.includes("-h")) {
    console.log(command.usage);
    return 0;
  }
  if (command.afterInterrupt !== undefined) {
    signal.addEventListener("abort", () => {
      console.error("\nStopping … (once more to stop without waiting)");
    });
  }
  const { LAKESTACK_STACK } = process.env;
  const stack = LAKESTACK_STACK ? LAKESTACK_STACK : "dev";
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(stack)) {
    throw new UserError(
      `LAKESTACK_STACK is "${stack}", expected a stack's name: small letters, digits and -, a letter first.`,
      "Set another, or unset it for the stack dev.",
    );
  }
  await assertOnDocker(name ?? "", stack);
  try {
    return await command.run(args, { stack, reporter: terminalReporter(), signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    console.error(`Interrupted. ${command.afterInterrupt ?? "Nothing is left half done."}`);
    return 130;
  }
}

function explain(error: unknown): void {
  if (error instanceof UserError) {
    console.error(`\n✘ ${error.message}\n\n${error.remedy}`);
  } else {
    console.error("\nThis is a fault of Lakestack's own; please report it with the lines below.");
    console.error(error instanceof Error ? (error.stack ?? error.message) : messageOf(error));
  }
}

void main(process.argv[2], process.argv.slice(3)).then(exit, (error: unknown) => {
  explain(error);
  return exit(1);
});

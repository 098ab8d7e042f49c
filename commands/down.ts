import { dockerClient, ensurePulumi, UserError } from "../toolchain/index";
import { type Command, type Context, readOptions } from "./command";
import { DeploymentProgress } from "./deployment-progress";
import { containerType, unlocking } from "./mend";
import { PulumiCli, PulumiError } from "./pulumi-cli";
import { stackContainers } from "./stack-containers";

const usage = "npm run down     stops the stack by removing its containers; volumes, network and images stay";

/**
 * Removes the containers through the engine, so that its state stays exact: the next `up` makes them again on the
 * same volumes.
 *
 * @returns how many containers there were.
 */
export async function runDown({ stack, reporter, signal }: Context): Promise<number> {
  const { env } = await ensurePulumi(reporter);
  const cli = new PulumiCli(stack, env, signal);
  const state = await cli.state();
  const containers = (state?.resources ?? []).filter(({ type }) => type === containerType);
  if (containers.length === 0) return 0;

  const task = reporter.task(`Stopping stack ${stack}`);
  const progress = new DeploymentProgress(reporter, stack);
  const targets = containers.flatMap(({ urn }) => ["--target", urn]);
  try {
    // What depends on a container (a bucket's record, a user's) goes with it; what it stands for is in the volumes.
    await unlocking(cli, () =>
      cli.deploy("destroy", [...targets, "--target-dependents"], (event) => {
        progress.onEvent(event);
      }),
    );
  } catch (error) {
    progress.close("not stopped");
    task.fail("not stopped");
    if (!(error instanceof PulumiError)) throw error;
    const said = progress.faults.map(({ resource, message }) => `${resource}: ${message}`);
    throw new UserError(said.join("\n") || error.message, "Run npm run down again; see also npm run status.");
  }
  task.done(`${containers.length} containers removed`);
  return containers.length;
}

export const command: Command = {
  usage,
  afterInterrupt: "npm run down goes on from here, npm run up brings the stack up again.",
  async run(args, context) {
    readOptions(usage, args, {});
    const count = await runDown(context);
    if (count > 0) {
      console.log("\nStopped. All data is kept: npm run up brings it back, npm run destroy removes it.");
      return 0;
    }
    const left = await stackContainers(dockerClient(), context.stack);
    if (left.length === 0) {
      console.log(`Nothing to stop: stack ${context.stack} is not up.`);
      return 0;
    }
    throw new UserError(
      `The state of this clone has no containers, but Docker has: ${left.map(({ name }) => name).join(", ")}.`,
      "They are another clone's, or their state is lost: npm run destroy removes them, with their data.",
    );
  },
};

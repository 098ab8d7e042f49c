import { UserError } from "../toolchain/index";
import type { Context } from "./command";
import { DeploymentProgress } from "./deployment-progress";
import { unlocking } from "./mend";
import { type PulumiCli, PulumiError, type State, type StateResource } from "./pulumi-cli";

/** What is told of a change that the stack does not have yet. */
export const effectLater =
  "Kept in the stack's configuration; in effect with the next npm run up (or pulumi up).";

/** What is told on Kubernetes, where the kubelet brings a Secret's new content to its pods. */
export const effectSoon = "In effect within about two minutes, as soon as the node has it.";

/** What carries a workload's live files: a container that never runs, or a Secret. Their volume has the same name. */
const carrier = /:(Container|Secret)::(.+)-live$/;

/** The resource that has to be updated for a service to see other live files; undefined if the stack is not up. */
export const carrierOf = ({ resources }: Pick<State, "resources">, service = "trino") =>
  resources.find(({ urn }) => carrier.exec(urn)?.[2] === service);

/**
 * Brings Trino's live files to a stack that is up, as the configuration says now: them alone, whatever else waits for the
 * next `up`.
 */
export const tellTrino = (cli: PulumiCli, { urn }: StateResource, context: Context) =>
  updateStack(cli, "Telling Trino", ["--target", urn], context);

/** Runs `pulumi up` as a task of its own. Returns what it has changed. */
export async function updateStack(
  cli: PulumiCli,
  name: string,
  args: string[],
  { stack, reporter }: Context,
): Promise<DeploymentProgress> {
  const task = reporter.task(name);
  const progress = new DeploymentProgress(reporter, stack);
  try {
    await unlocking(cli, () =>
      cli.deploy("up", args, (event) => {
        progress.onEvent(event);
      }),
    );
  } catch (error) {
    progress.close("not finished");
    task.fail("not done");
    if (!(error instanceof PulumiError || error instanceof UserError)) throw error;
    const said = progress.faults.map(({ message }) => message).join("\n");
    throw new UserError(`${name} has failed: ${said || error.message}`, effectLater);
  }
  task.done("done");
  return progress;
}

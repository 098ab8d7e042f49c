import { UserError } from "../toolchain/index";
import { Settings } from "./settings";

/** What does the same for a stack on Kubernetes. */
const instead: Record<string, (stack: string, namespace: string) => string> = {
  up: (stack) => `pulumi up --stack ${stack}`,
  destroy: (stack) => `pulumi destroy --stack ${stack}`,
  down: (_, namespace) => `kubectl -n ${namespace} scale deployment,statefulset --all --replicas 0`,
  status: (_, namespace) => `kubectl -n ${namespace} get pods`,
  logs: (_, namespace) => `kubectl -n ${namespace} logs -l app.kubernetes.io/name=SERVICE`,
};

/**
 * Some commands drive containers on this machine.
 *
 * @throws UserError when the stack runs elsewhere, with what to use in place of the command.
 */
export async function assertOnDocker(command: string, stack: string): Promise<void> {
  const other = instead[command];
  if (other === undefined) return;
  const settings = await Settings.read(stack);
  const platform = String(settings.get("platform"));
  if (platform === "docker") return;
  throw new UserError(
    `Stack ${stack} runs on ${platform}; npm run ${command} is for stacks on this machine's Docker.`,
    `Use: ${other(stack, String(settings.get("kubernetesNamespace")))}\nSee docs/kubernetes.md.`,
  );
}

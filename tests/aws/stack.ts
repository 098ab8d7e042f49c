import { readConfig } from "../../infra/config";
import { completeSecrets } from "../../infra/secrets";
import { certificateHosts, prod } from "../../stacks/prod";
import { evaluate, type Graph } from "./graph";

/** An image's reference of the form that the settings want. */
export const someImage = `example/cluster-autoscaler@sha256:${"0".repeat(64)}`;

/** The whole program of the stack on AWS, run with mocks. */
export async function prodGraph(values: Record<string, string> = {}): Promise<Graph> {
  const secrets = JSON.stringify(await completeSecrets({}, certificateHosts("prod", "lakestack")));
  return evaluate(
    () => prod(readConfig()),
    { platform: "aws", awsAutoscalerImage: someImage, secrets, ...values },
    ["secrets"],
  );
}

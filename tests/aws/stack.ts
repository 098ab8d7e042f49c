import { readConfig } from "../../infra/config";
import { completeSecrets } from "../../infra/secrets";
import { certificateHosts, prod } from "../../stacks/prod";
import { evaluate, type Graph } from "./graph";

/** An image's reference of the form that the settings want. */
export const someImage = `example/cluster-autoscaler@sha256:${"0".repeat(64)}`;

/** Both doors open to the networks of a list. */
export const publicDoors = {
  awsTrinoDoor: "public",
  awsAirflowDoor: "public",
  awsDoorAllowList: "203.0.113.0/24",
  awsZoneId: "Z123",
  awsDomain: "data.example.org",
};

/** One door open to two networks, the other to the inside; the cluster's API to one network. */
export const mixedDoors = {
  ...publicDoors,
  awsAirflowDoor: "internal",
  awsDoorAllowList: "203.0.113.0/24,198.51.100.7/32",
  awsEndpointAllowList: "203.0.113.0/24",
};

/** The whole program of the stack on AWS with all that it can have, run with mocks. */
export async function prodGraph(values: Record<string, string> = {}): Promise<Graph> {
  const secrets = JSON.stringify(await completeSecrets({}, certificateHosts("prod", "lakestack")));
  return evaluate(
    () => prod(readConfig()),
    { platform: "aws", awsAutoscalerImage: someImage, audit: "true", secrets, ...values },
    ["secrets"],
  );
}

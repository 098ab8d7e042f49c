import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Registry } from "../../infra/aws/registry";
import { evaluate, type Graph } from "../aws/graph";
import { prefix as imagePrefix, removeAll, smallImage } from "../docker-plugin/engine";
import { Harness, REGISTRY_IMAGE, TAG } from "../docker-plugin/provider-subject";
import { TestRegistry } from "../docker-plugin/registry";
import { account, FakeAws, region } from "./fake-aws";
import { prefix } from "./traces";

const build = { name: "nessie", context: "images/nessie", args: {}, needs: [], tag: "0123456789ab" };
const source = `${imagePrefix}-source:1`;

let aws: FakeAws;
let registry: TestRegistry;
let graph: Graph;

interface Authorization {
  authorizationData: { authorizationToken: string; proxyEndpoint: string }[];
}

/** What ECR answers, in the words of the aws plugin's look-up: the token is a name and a password in base64. */
async function authorization() {
  const target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
  const { authorizationData } = await aws.callJson<Authorization>("ecr", target, {});
  const [data] = authorizationData;
  const token = Buffer.from(data?.authorizationToken ?? "", "base64").toString();
  const [userName = "", password = ""] = token.split(":");
  return { userName, password, proxyEndpoint: data?.proxyEndpoint };
}

beforeAll(async () => {
  aws = await FakeAws.start(`${prefix}-aws`);
  const token = await authorization();
  registry = await TestRegistry.start(token.userName, token.password);
  // The registry that stands in for ECR is on this machine: only its address is not AWS's.
  const answer = { ...token, proxyEndpoint: `https://${registry.address}` };
  graph = await evaluate(
    () => {
      new Registry("registry", {
        account: {
          id: pulumi.output(account),
          partition: pulumi.output("aws"),
          region,
          prefix: "lakestack-prod",
        },
        stack: "prod",
        builds: [build],
        localImage: () => pulumi.output("sha256:local"),
        keyArn: "arn:aws:kms:key",
        ephemeral: false,
      });
      return {};
    },
    {},
    [],
    { "aws:ecr/getAuthorizationToken:getAuthorizationToken": answer },
  );
  await smallImage(source);
});

afterAll(async () => {
  await registry.untag();
  await removeAll();
  await aws.remove();
});

/** Docker's provider, with the logins that the program gives it. */
function pusher(): Harness {
  const harness = new Harness();
  const { registryAuth } = graph.one("pulumi:providers:docker", "lakestack-prod-registry").inputs;
  harness.provider.configure({ registryAuth });
  return harness;
}

/** The name by which the program pushes the image, in the registry of this machine. */
function target(): string {
  const name = String(graph.one(REGISTRY_IMAGE, build.name).inputs["name"]);
  return name.replace(/^[^/]+/, registry.address);
}

describe("the login of ECR", () => {
  test("is one of the account's registry, as AWS says it", async () => {
    const { userName, proxyEndpoint } = await authorization();
    expect(userName).toBe("AWS");
    expect(proxyEndpoint).toBe(`https://${account}.dkr.ecr.${region}.amazonaws.com`);
  });

  test("lets the program push an image, under the tag of its content", async () => {
    const harness = pusher();
    await harness.create(TAG, { sourceImage: source, targetImage: target() });
    const pushed = await harness.create(REGISTRY_IMAGE, { name: target(), keepRemotely: true });
    const found = await registry.ask(`v2/lakestack-prod/${build.name}/manifests/${build.tag}`);
    expect(found.status).toBe(200);
    expect(pushed.outputs["sha256Digest"]).toBe(found.headers.get("docker-content-digest"));
  });

  test("is what opens the registry: without it, nothing is pushed", async () => {
    const harness = new Harness();
    const other = `${registry.address}/lakestack-prod/other:1`;
    await harness.create(TAG, { sourceImage: source, targetImage: other });
    await expect(harness.create(REGISTRY_IMAGE, { name: other })).rejects.toThrow("can't be pushed");
    expect((await registry.ask("v2/lakestack-prod/other/manifests/1")).status).toBe(404);
  });
});

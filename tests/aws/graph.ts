import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";

/** One resource as the program registered it. */
export interface Registered {
  urn: string;
  /** Of a resource that belongs to a component, the component's URN. */
  parent: string;
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  protect: boolean;
  retainOnDelete: boolean;
  /** URNs of all that it waits for. */
  dependencies: string[];
  ignoreChanges: string[];
}

/** Everything that a program registered. */
export class Graph {
  constructor(
    readonly resources: Registered[],
    readonly outputs: Record<string, unknown>,
  ) {}

  ofType(type: string): Registered[] {
    return this.resources.filter((resource) => resource.type === type);
  }

  /** The one resource of that type and name. */
  one(type: string, name: string): Registered {
    const found = this.ofType(type).filter((resource) => resource.name === name);
    const [first] = found;
    if (first === undefined || found.length > 1) {
      const names = this.ofType(type).map((resource) => resource.name);
      throw new Error(`Expected one ${type} ${name}, found ${found.length}; there are ${names.join(", ")}`);
    }
    return first;
  }

  /** Whether one resource waits for another, directly or not: it is then made later and destroyed earlier. */
  waitsFor(later: Registered, earlier: Registered): boolean {
    const known = new Map(this.resources.map((resource) => [resource.urn, resource]));
    const seen = new Set<string>();
    const look = (urn: string): boolean => {
      if (urn === earlier.urn) return true;
      if (seen.has(urn)) return false;
      seen.add(urn);
      const resource = known.get(urn);
      if (resource === undefined) return false;
      // A resource waits for its provider and is removed before it.
      return [...resource.dependencies, ...this.providerOf(resource)].some(look);
    };
    return later.urn !== earlier.urn && look(later.urn);
  }

  private providerOf(resource: Registered): string[] {
    const urn = this.providers.get(resource.urn);
    return urn === undefined ? [] : [urn];
  }

  /** URN of the explicit provider of each resource. */
  readonly providers = new Map<string, string>();
}

/** Fields of the engine's request that the mocks of the SDK do not hand on. */
interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getProtect(): boolean;
  getRetainondelete(): boolean;
  getDependenciesList(): string[];
  getIgnorechangesList(): string[];
  getProvider(): string;
}

interface Monitor {
  registerResource(
    request: RegisterRequest,
    callback: (error: unknown, response: { getUrn(): string } | undefined) => void,
  ): Promise<void>;
}

const account = "123456789012";
const secretMark = "4dabf18193072939515e22adb298388d";

/** What AWS would compute. Labelled fixtures: nothing here was asked of an account. */
const fixtures: Record<string, Record<string, unknown>> = {
  "aws:index/getCallerIdentity:getCallerIdentity": { accountId: account },
  "aws:index/getPartition:getPartition": { partition: "aws" },
  "aws:index/getAvailabilityZones:getAvailabilityZones": {
    names: ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
  },
  "aws:eks/getAddonVersion:getAddonVersion": { version: "v1.2.3-eksbuild.1" },
  "aws:ec2/getVpc:getVpc": { cidrBlock: "10.9.0.0/16" },
  "aws:secretsmanager/getSecretVersion:getSecretVersion": {
    secretString: JSON.stringify({ username: "lakestack", password: "of-the-master" }),
  },
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": {
    userName: "AWS",
    password: "a-token",
    proxyEndpoint: `https://${account}.registry.example`,
  },
};

function computed(type: string, name: string, inputs: Record<string, unknown>): Record<string, unknown> {
  const given = (key: string) => (typeof inputs[key] === "string" ? inputs[key] : name);
  const arn = (service: string, path: string) => `arn:aws:${service}:eu-west-1:${account}:${path}`;
  switch (type) {
    case "aws:s3/bucket:Bucket":
      return { arn: `arn:aws:s3:::${given("bucket")}` };
    case "aws:iam/role:Role":
      return { arn: `arn:aws:iam::${account}:role/${given("name")}` };
    case "aws:kms/key:Key":
      return { arn: arn("kms", `key/${name}`), keyId: name };
    case "aws:cloudwatch/logGroup:LogGroup":
      return { arn: arn("logs", `log-group:${given("name")}`) };
    case "aws:eks/cluster:Cluster":
      return {
        endpoint: "https://cluster.example",
        certificateAuthority: { data: "Q0E=" },
        vpcConfig: { ...(inputs["vpcConfig"] as object), clusterSecurityGroupId: "sg-cluster" },
      };
    case "aws:eks/nodeGroup:NodeGroup":
      return { resources: [{ autoscalingGroups: [{ name: `asg-${name}` }] }] };
    case "aws:ec2/launchTemplate:LaunchTemplate":
      return { latestVersion: 1 };
    case "aws:rds/instance:Instance":
      return {
        address: "database.example",
        masterUserSecrets: [{ secretArn: arn("secretsmanager", "secret:master") }],
      };
    case "aws:ecr/repository:Repository":
      return { repositoryUrl: `${account}.registry.example/${given("name")}` };
    case "docker:index/registryImage:RegistryImage":
      return { sha256Digest: `sha256:${"0".repeat(64)}` };
    case "docker:index/remoteImage:RemoteImage":
      return { imageId: `sha256:${name}` };
    case "aws:acm/certificate:Certificate":
      return { arn: arn("acm", `certificate/${name}`), domainValidationOptions: [] };
    case "aws:lb/loadBalancer:LoadBalancer":
      return {
        arn: arn("elasticloadbalancing", `loadbalancer/${name}`),
        dnsName: `${name}.example`,
        zoneId: "Z0",
      };
    case "kubernetes:core/v1:Namespace":
      return {};
    default:
      return { arn: arn(type.split(":")[1]?.split("/")[0] ?? "", name) };
  }
}

/**
 * Runs a program with Pulumi's mocks.
 *
 * @param values the stack's configuration; the rest are the defaults of Pulumi.yaml.
 * @param answers what look-ups are answered with in place of the fixtures, by their token.
 */
export async function evaluate(
  program: () => Promise<Record<string, unknown>> | Record<string, unknown>,
  values: Record<string, string> = {},
  secretKeys: string[] = [],
  answers: Record<string, Record<string, unknown>> = {},
): Promise<Graph> {
  const registered: Registered[] = [];
  const graph = new Graph(registered, {});
  configure(values, secretKeys);
  const pending: { type: string; name: string; inputs: Record<string, unknown> }[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const open = opened(inputs) as Record<string, unknown>;
        pending.push({ type, name, inputs: open });
        return { id: `${name}-id`, state: { ...(inputs as object), ...computed(type, name, open) } };
      },
      call: ({ token }) => {
        const fixture = answers[token] ?? fixtures[token];
        if (fixture === undefined) throw new Error(`No fixture for ${token}`);
        return fixture;
      },
    },
    "lakestack",
    "prod",
  );
  recordRequests(registered, pending, graph);
  const outputs = await program();
  await quiet(registered);
  return Object.assign(graph, { outputs });
}

/** The mocks tell type, name and inputs only: what else the engine is told is read from its requests. */
function recordRequests(
  registered: Registered[],
  pending: { type: string; name: string; inputs: Record<string, unknown> }[],
  graph: Graph,
): void {
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) =>
    register(request, (error, response) => {
      const type = request.getType();
      const name = request.getName();
      const index = pending.findIndex((each) => each.type === type && each.name === name);
      const [found] = index < 0 ? [] : pending.splice(index, 1);
      const urn = response?.getUrn() ?? `urn:failed:${type}::${name}`;
      registered.push({
        ...{ urn, type, name, parent: request.getParent(), inputs: found?.inputs ?? {} },
        protect: request.getProtect(),
        retainOnDelete: request.getRetainondelete(),
        dependencies: request.getDependenciesList(),
        ignoreChanges: request.getIgnorechangesList(),
      });
      const provider = request.getProvider();
      if (provider !== "") graph.providers.set(urn, provider.split("::").slice(0, -1).join("::"));
      callback(error, response);
    });
}

/** Resources are registered in the background: the graph is whole when none has come for a while. */
async function quiet(registered: Registered[]): Promise<void> {
  for (let seen = -1; seen !== registered.length;) {
    seen = registered.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** The defaults of Pulumi.yaml with some values set. */
export function configure(values: Record<string, string> = {}, secretKeys: string[] = []): pulumi.Config {
  const declared = parse(readFileSync("Pulumi.yaml", "utf8")) as {
    config: Record<string, { default?: string | number | boolean }>;
  };
  const defaults = Object.entries(declared.config).map(([key, value]) => [key, String(value.default ?? "")]);
  const all = { ...(Object.fromEntries(defaults) as Record<string, string>), ...values };
  const prefixed = Object.entries(all).map(([key, value]) => [`lakestack:${key}`, value]);
  pulumi.runtime.setAllConfig(
    Object.fromEntries(prefixed) as Record<string, string>,
    secretKeys.map((key) => `lakestack:${key}`),
  );
  return new pulumi.Config("lakestack");
}

/** The values themselves where the SDK hands them over as secrets. */
export function opened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(opened);
  if (typeof value !== "object" || value === null) return value;
  if (secretMark in value) return opened((value as unknown as { value: unknown }).value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, opened(inner)]));
}

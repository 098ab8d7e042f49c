import * as pulumi from "@pulumi/pulumi";
import { readConfig } from "../../infra/config";
import { DockerPlatform } from "../../infra/platforms/docker";
import { completeSecrets, type Secrets, type SecretValues } from "../../infra/secrets";
import type { ObjectStorage } from "../../infra/services/object-storage";
import { trinoHosts } from "../../infra/services/trino";
import { loadSources } from "../../infra/sources";
import { lakehouse, ownDatabase } from "../../stacks/lakehouse";
import { query } from "../../commands/trino-query";
import { type Graph, evaluate } from "../aws/graph";
import { CONTAINER, Harness, NETWORK, VOLUME, type Kept } from "../docker-plugin/provider-subject";
import { image, publishedPort, region } from "./fake-aws";
import { type Production, roleArn } from "./production";
import { stack } from "./traces";

/** Where EKS's agent is for every pod. */
export const agentAddress = "169.254.170.23";
const tokenFile = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token";
const trustStoreFile = "/etc/fake-aws/authorities.p12";
const authorityFile = "/etc/fake-aws/ca.pem";
const trustStorePassword = "changeit";

interface ContainerInputs {
  name: string;
  envs: string[];
  uploads: { file: string; content?: string; contentBase64?: string; permissions: string }[];
  networksAdvanced: { name: string; aliases: string[] }[];
  [property: string]: unknown;
}

/** What a program in a container of its own has written, and how it ended. */
export interface Run {
  code: number;
  output: string;
}

/**
 * The services as the stack on AWS runs them, in containers of this machine: nothing tells them where S3 and STS are,
 * they have no keys of their own, and ask the pods' agent for them.
 */
export class Lakehouse {
  private trinoUrl = "";

  private constructor(
    private readonly graph: Graph,
    private readonly secrets: SecretValues,
    private readonly trinoUser: string,
  ) {}

  private readonly harness = new Harness();
  private environment: string[] = [];
  private trustStore = "";
  private authority = "";

  /** All pods of a cluster share a network, the agent's address in it; policies, which aren't looked at here, part them. */
  readonly network = `lakestack-${stack}-pods`;

  /** The services of the stack, with the object storage of the stack on AWS. */
  static async describe(production: Production): Promise<Lakehouse> {
    const values = await completeSecrets({}, trinoHosts(stack));
    let trinoUser = "";
    const graph = await evaluate(
      () => {
        const config = { ...readConfig(), sparkWorkers: 1 };
        trinoUser = config.trinoUser;
        const entries = Object.entries(values).map(([key, value]) => [key, pulumi.secret(value as string)]);
        const wiring = {
          config,
          platform: new DockerPlatform("docker", { stack }),
          secrets: Object.fromEntries(entries) as Secrets,
          sources: loadSources(config.sourcesFile),
          image,
        };
        const s3: ObjectStorage = {
          region,
          pathStyle: false,
          // Known when the account is: the program has no more than promises of them.
          buckets: outputs(production.buckets),
          keys: () => undefined,
          lending: { role: roleArn("catalog-lending"), hours: 1 },
          deployment: { ready: [] },
        };
        lakehouse(wiring, s3, ownDatabase(wiring));
        return {};
      },
      { sparkWorkers: "1" },
    );
    return new Lakehouse(graph, values, trinoUser);
  }

  /** Makes the network, with the addresses of the agent in it, and the volumes. */
  async makeGround(): Promise<void> {
    const ipamConfigs = [{ subnet: "169.254.170.16/28", gateway: "169.254.170.17" }];
    await this.harness.create(NETWORK, { name: this.network, ipamConfigs });
    for (const volume of ["database", "trino-live"])
      await this.harness.create(VOLUME, this.graph.one(VOLUME, volume).inputs);
  }

  /**
   * Makes containers trust an authority, and gives each the token of its pod.
   *
   * @param authority its certificate, in PEM form.
   * @param trustStore the same for Java: PKCS12, in base64.
   */
  useIdentities(authority: string, trustStore: string, tokenOf: Readonly<Record<string, string>>): void {
    this.authority = authority;
    this.trustStore = trustStore;
    this.tokenOf = tokenOf;
    this.environment = [
      `JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=${trustStoreFile} -Djavax.net.ssl.trustStorePassword=${trustStorePassword}`,
      `AWS_CA_BUNDLE=${authorityFile}`,
      // What EKS puts into every pod of a service account with a role.
      `AWS_REGION=${region}`,
      `AWS_DEFAULT_REGION=${region}`,
      "AWS_STS_REGIONAL_ENDPOINTS=regional",
    ];
  }

  private tokenOf: Readonly<Record<string, string>> = {};

  /** Starts a service, and waits until it answers. @param account the pod's service account, if it has another name. */
  async start(service: string, account = service): Promise<Kept> {
    const started = await this.harness.create(CONTAINER, { ...this.inputs(service, account), ports: [] });
    return started;
  }

  /** Starts Trino with its door open to this machine. */
  async startTrino(): Promise<void> {
    // Brings the files that say who may log in.
    await this.harness.create(CONTAINER, this.graph.one(CONTAINER, "trino-live").inputs);
    const port = 8443;
    const ports = [{ internal: port, external: 0, ip: "127.0.0.1", protocol: "tcp" }];
    const { id } = await this.harness.create(CONTAINER, { ...this.inputs("trino", "trino"), ports });
    this.trinoUrl = `https://localhost:${await publishedPort(id, port)}`;
  }

  /** Runs a command once in a container that is like a service's, to its end. */
  async run(service: string, command: string[]): Promise<Run> {
    const [program = "", ...rest] = command;
    const once = {
      attach: true,
      logs: true,
      mustRun: false,
      wait: false,
      restart: "no",
      ports: [],
      volumes: [],
    };
    const inputs = this.inputs(service, service);
    delete inputs["healthcheck"];
    const made = await this.harness.create(CONTAINER, {
      ...inputs,
      ...once,
      name: `${inputs.name}-once`,
      entrypoints: [program],
      command: rest,
    });
    const { exitCode, containerLogs } = made.outputs as { exitCode?: number; containerLogs?: string };
    await this.harness.delete(CONTAINER, made);
    return { code: exitCode ?? -1, output: containerLogs ?? "" };
  }

  /** Runs a statement at Trino's door. */
  query(statement: string): Promise<unknown[][]> {
    const { trinoPassword: password, caCertificate: ca } = this.secrets;
    return query({ url: this.trinoUrl, user: this.trinoUser, password, ca }, statement);
  }

  /** Content of a file that is put into a service's container. */
  file(service: string, path: string): string {
    const found = this.container(service).uploads.find(({ file }) => file === path)?.content;
    if (found === undefined) throw new Error(`${service} has no file ${path}`);
    return found;
  }

  private container(service: string): ContainerInputs {
    return this.graph.one(CONTAINER, service).inputs as unknown as ContainerInputs;
  }

  private inputs(service: string, account: string): ContainerInputs {
    const described = this.container(service);
    const token = this.tokenOf[account];
    return {
      ...described,
      // Tests may run beside others: slow is not wrong.
      waitTimeout: 420,
      networksAdvanced: [
        { name: this.network, aliases: described.networksAdvanced.flatMap(({ aliases }) => aliases) },
      ],
      envs: [...described.envs, ...this.environment, ...(token === undefined ? [] : podIdentity)],
      uploads: [
        ...described.uploads,
        { file: trustStoreFile, contentBase64: this.trustStore, permissions: "0444" },
        { file: authorityFile, content: this.authority, permissions: "0444" },
        ...(token === undefined ? [] : [{ file: tokenFile, content: token, permissions: "0444" }]),
      ],
    };
  }
}

const podIdentity = [
  `AWS_CONTAINER_CREDENTIALS_FULL_URI=http://${agentAddress}/v1/credentials`,
  `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=${tokenFile}`,
];

function outputs<K extends string>(values: Record<K, string>): Record<K, pulumi.Output<string>> {
  const entries = Object.entries<string>(values).map(([key, value]) => [key, pulumi.output(value)]);
  return Object.fromEntries(entries) as Record<K, pulumi.Output<string>>;
}

/**
 * Makes a trust store with one authority, by the Java of a service's image.
 *
 * @returns PKCS12, in base64.
 */
export async function trustStoreOf(authority: string, name: string): Promise<string> {
  const harness = new Harness();
  const store = "/tmp/authorities.p12";
  const script =
    `keytool -importcert -noprompt -alias authority -file ${authorityFile} -keystore ${store} ` +
    `-storetype PKCS12 -storepass ${trustStorePassword} > /tmp/said 2>&1 || { cat /tmp/said; exit 1; }; base64 -w 0 ${store}`;
  const made = await harness.create(CONTAINER, {
    name,
    image: image("nessie"),
    entrypoints: ["/bin/sh"],
    command: ["-c", script],
    uploads: [{ file: authorityFile, content: authority, permissions: "0444" }],
    ...{ attach: true, logs: true, mustRun: false },
  });
  await harness.delete(CONTAINER, made);
  const { exitCode, containerLogs } = made.outputs as { exitCode?: number; containerLogs?: string };
  if (exitCode !== 0) throw new Error(`keytool made no trust store: ${containerLogs ?? ""}`);
  return (containerLogs ?? "").trim();
}

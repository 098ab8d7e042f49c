import { Sha256 } from "@aws-crypto/sha256-js";
import { S3Client } from "@aws-sdk/client-s3";
import { SignatureV4 } from "@smithy/signature-v4";
import { inject } from "vitest";
import { CONTAINER, Harness } from "../docker-plugin/provider-subject";
import type { Kept } from "../docker-plugin/provider-subject";
import { docker } from "../docker-plugin/engine";
import { until } from "../e2e/until";

declare module "vitest" {
  interface ProvidedContext {
    /** Reference of each of the project's images, by its name. */
    images: Record<string, string>;
  }
}

// The SDK would print when it will drop this version of Node.js.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";

/** The account that moto plays. */
export const account = "123456789012";
export const region = "eu-west-1";

const awsPort = 5000;
const agentPort = 80;

export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** What a fake AWS is started with; nothing of it if only the plain port is wanted. */
export interface FakeAwsOptions {
  /** Key and certificate of AWS's names, PEM. */
  tls?: string;
  /** Role of each pod, by the token that the pod shows. */
  pods?: Record<string, string>;
  /** Names that a listing of a bucket has on one page. Default 1000, as S3. */
  pageSize?: number;
  /** Network that it joins, with the names and the address that AWS has there. */
  network?: { name: string; aliases: string[]; ipv4Address: string };
}

/** The fake AWS, in a container of its own. It forgets everything when it goes. */
export class FakeAws {
  private constructor(
    private readonly container: Kept,
    private readonly harness: Harness,
    /** Where this machine reaches it. */
    readonly endpoint: string,
    /** Where this machine reaches the agent that gives pods their keys. */
    readonly agent: string,
  ) {}

  /** Whoever asks; moto takes any keys until it is told to look at them. */
  keys: Keys = { accessKeyId: "anybody", secretAccessKey: "anything" };

  static async start(name: string, options: FakeAwsOptions = {}): Promise<FakeAws> {
    const harness = new Harness();
    const files = { "tls.pem": options.tls, "pods.json": options.pods && JSON.stringify(options.pods) };
    const ask = `import urllib.request as r; r.urlopen("http://127.0.0.1:${awsPort}/moto-api/data.json")`;
    const container = await harness.create(CONTAINER, {
      name,
      image: image("moto"),
      envs: options.pageSize === undefined ? [] : [`MOTO_S3_DEFAULT_MAX_KEYS=${options.pageSize}`],
      uploads: Object.entries(files).flatMap(([file, content]) =>
        content === undefined ? [] : [{ file: `/etc/fake-aws/${file}`, content, permissions: "0444" }],
      ),
      ports: [awsPort, agentPort].map((internal) => ({ internal, external: 0, ip: "127.0.0.1" })),
      ...(options.network === undefined ? {} : { networksAdvanced: [options.network] }),
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      healthcheck: {
        tests: ["CMD", "python", "-c", ask],
        interval: "1s",
        timeout: "5s",
        startPeriod: "1m0s",
      },
      wait: true,
    });
    const at = async (port: number) => `http://127.0.0.1:${await publishedPort(container.id, port)}`;
    return new FakeAws(container, harness, await at(awsPort), await at(agentPort));
  }

  /** From now on every request must be signed with a key that it made, by somebody who has the right. */
  async checkRights(): Promise<void> {
    const response = await fetch(`${this.endpoint}/moto-api/reset-auth`, { method: "POST", body: "0" });
    if (!response.ok) throw new Error(`The fake AWS does not check rights: HTTP ${response.status}`);
  }

  /** What moto holds of a service, by the name of its class. */
  async held<T>(service: string, model: string): Promise<T[]> {
    const response = await fetch(`${this.endpoint}/moto-api/data.json`);
    const data = (await response.json()) as Record<string, Record<string, T[]>>;
    return data[service]?.[model] ?? [];
  }

  /** A call of AWS's query protocol. @returns the answer, XML. */
  async call(service: "iam" | "sts", parameters: Record<string, string>, keys = this.keys): Promise<string> {
    const version = { iam: "2010-05-08", sts: "2011-06-15" }[service];
    return this.send(service, new URLSearchParams({ Version: version, ...parameters }).toString(), keys, {
      "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    });
  }

  /** A call of AWS's JSON protocol. @returns the answer. */
  async callJson<T>(service: string, target: string, content: unknown): Promise<T> {
    const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
    return JSON.parse(await this.send(service, JSON.stringify(content), this.keys, headers)) as T;
  }

  /** The keys of a pod, from the agent, as the SDKs ask for them. */
  async keysOfPod(token: string): Promise<Keys> {
    const response = await fetch(`${this.agent}/v1/credentials`, { headers: { authorization: token } });
    if (!response.ok) throw new Error(`The agent gives no keys: ${await response.text()}`);
    const { AccessKeyId, SecretAccessKey, Token } = (await response.json()) as Record<string, string>;
    if (AccessKeyId === undefined || SecretAccessKey === undefined) throw new Error("The agent gave no keys");
    return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token };
  }

  /** A client of its S3, which the caller destroys. */
  s3(keys = this.keys): S3Client {
    return new S3Client({ endpoint: this.endpoint, region, forcePathStyle: true, credentials: keys });
  }

  async remove(): Promise<void> {
    await this.harness.delete(CONTAINER, this.container);
  }

  private async send(service: string, body: string, keys: Keys, headers: Record<string, string>) {
    const url = new URL(this.endpoint);
    const signer = new SignatureV4({ service, region, sha256: Sha256, credentials: keys });
    const signed = await signer.sign({
      method: "POST",
      protocol: url.protocol,
      hostname: url.hostname,
      port: Number(url.port),
      path: "/",
      headers: { host: url.host, ...headers },
      body,
    });
    const response = await fetch(url, { method: "POST", headers: signed.headers, body });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${service} answered ${response.status}: ${answer}`);
    return answer;
  }
}

/** Reference of one of the project's images. */
export function image(name: string): string {
  const reference = inject("images")[name];
  if (reference === undefined) throw new Error(`There is no image ${name}`);
  return reference;
}

/** The text of the first element of that name in an answer of AWS's. */
export function element(xml: string, name: string): string {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  if (found === undefined) throw new Error(`The answer has no ${name}: ${xml}`);
  return found;
}

/** The number that a container's port has on this machine: the engine may tell it a moment after the start. */
export function publishedPort(id: string, port: number): Promise<string> {
  return until(`port ${port} is published`, 10, async () => {
    const { NetworkSettings } = await docker.getContainer(id).inspect();
    return NetworkSettings.Ports[`${port}/tcp`]?.[0]?.HostPort;
  });
}

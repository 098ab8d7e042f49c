import { randomBytes } from "node:crypto";
import { request } from "node:https";
import { buffer, text } from "node:stream/consumers";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { inject } from "vitest";
import { createAuthority, createCertificate } from "../../infra/tls";
import { containerName, demultiplexed, docker } from "./docker";
import { clientId, programId, realmName, type RealmSecrets, renderRealm } from "./keycloak-realm";
import { stackName } from "./stack";
import { until } from "./until";

/** By which services and browsers call it alike: an issuer has one name. */
export const issuerHost = "keycloak:8443";
export const issuer = `https://${issuerHost}/realms/${realmName}`;

const home = "/opt/keycloak/data";
const generated = () => randomBytes(18).toString("base64url");

/** An OpenID Connect issuer in a container of its own, with TLS by an authority of its own. It forgets everything when it goes. */
export class Keycloak {
  private constructor(
    readonly container: Docker.Container,
    /** PEM of who has signed its certificate. */
    readonly authority: string,
    readonly secrets: RealmSecrets,
  ) {}

  /**
   * @param networks of those who ask it.
   * @param redirects where people may be sent back to.
   */
  static async start(networks: string[], redirects: string[]): Promise<Keycloak> {
    const secrets = { password: generated(), clientSecret: generated(), programSecret: generated() };
    const authority = await createAuthority("Issuer's authority");
    const [host = ""] = issuerHost.split(":");
    const { certificate, key } = await createCertificate(authority, [host, "localhost"]);
    const [first = "none", ...others] = networks;
    const called = { Aliases: [host] };
    const container = await docker.createContainer({
      name: containerName("keycloak"),
      Image: inject("keycloakImage"),
      Cmd: [
        ...["/opt/keycloak/bin/kc.sh", "start", "--optimized", "--import-realm", "--cache=local"],
        `--hostname=https://${issuerHost}`,
        `--https-certificate-file=${home}/certificate.pem`,
        `--https-certificate-key-file=${home}/key.pem`,
      ],
      Env: ["JAVA_OPTS_KC_HEAP=-Xms64m -Xmx256m"],
      Labels: { "lakestack.stack": stackName, "lakestack.service": "keycloak" },
      ExposedPorts: { "8443/tcp": {} },
      HostConfig: {
        NetworkMode: first,
        PortBindings: { "8443/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] },
        Memory: 768 * 1024 * 1024,
      },
      NetworkingConfig: { EndpointsConfig: { [first]: called } },
    });
    for (const network of others)
      await docker.getNetwork(network).connect({ Container: container.id, EndpointConfig: called });
    const files = {
      "import/realm.json": renderRealm(secrets, redirects),
      "certificate.pem": certificate,
      "key.pem": key,
    };
    const tar = pack();
    for (const [name, content] of Object.entries(files)) tar.entry({ name }, content);
    tar.finalize();
    await container.putArchive(await buffer(tar), { path: home });
    const keycloak = new Keycloak(container, authority.certificate, secrets);
    try {
      await keycloak.start();
      return keycloak;
    } catch (error) {
      await keycloak.remove();
      throw error;
    }
  }

  /** Starts it again after `stop`. @returns when it answers. */
  async start(): Promise<void> {
    await this.container.start();
    try {
      await until("the issuer answers", 600, () => this.tokenOfProgram());
    } catch (error) {
      const written = await this.container.logs({ stdout: true, stderr: true, follow: false, tail: 40 });
      throw new Error(`The issuer does not answer:\n${demultiplexed(written)}`, { cause: error });
    }
  }

  async stop(): Promise<void> {
    await this.container.stop();
  }

  async remove(): Promise<void> {
    await this.container.remove({ force: true, v: true });
  }

  /** Its port on this machine's loopback address. */
  async port(): Promise<number> {
    const { NetworkSettings } = await this.container.inspect();
    return Number(NetworkSettings.Ports["8443/tcp"]?.[0]?.HostPort);
  }

  /** What a person's browser would get, without the browser. */
  tokenOf(name: string): Promise<string> {
    const { password, clientSecret } = this.secrets;
    return this.token({
      ...{ grant_type: "password", scope: "openid profile email", username: name, password },
      ...{ client_id: clientId, client_secret: clientSecret },
    });
  }

  /** What a program has that has a secret of its own at the issuer. */
  tokenOfProgram(id = programId): Promise<string> {
    const { programSecret } = this.secrets;
    // With it the issuer would describe the bearer to whoever asks: a token for others has to be refused all the same.
    const scope = "openid";
    return this.token({
      ...{ grant_type: "client_credentials", scope },
      ...{ client_id: id, client_secret: programSecret },
    });
  }

  private async token(form: Record<string, string>): Promise<string> {
    const answer = await this.post(
      `/realms/${realmName}/protocol/openid-connect/token`,
      new URLSearchParams(form).toString(),
    );
    const { access_token: token } = JSON.parse(answer) as { access_token?: string };
    if (token === undefined) throw new Error(`The issuer gives no token: ${answer}`);
    return token;
  }

  private async post(path: string, body: string): Promise<string> {
    const port = await this.port();
    return new Promise((resolve, reject) => {
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      request(
        { host: "localhost", port, path, method: "POST", headers, ca: this.authority, timeout: 30_000 },
        (response) => {
          text(response).then(resolve, reject);
        },
      )
        .on("error", reject)
        .end(body);
    });
  }
}

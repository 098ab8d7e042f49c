import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { ensureImage } from "../../toolchain/docker-plugin/image-builder";
import { baseImage, docker, prefix } from "./engine";

/** Debian's registry, which asks for a name and a password. */
const dockerfile = `ARG BASE
FROM \${BASE}
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker-registry apache2-utils \\
 && rm -rf /var/lib/apt/lists/*
ENV REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/tmp REGISTRY_AUTH=htpasswd REGISTRY_AUTH_HTPASSWD_REALM=test \\
    REGISTRY_AUTH_HTPASSWD_PATH=/users REGISTRY_HTTP_ADDR=:5000
CMD ["sh", "-c", "htpasswd -Bbc /users $PUSHER $SECRET && exec docker-registry serve /etc/docker/registry/config.yml"]
`;

/** A registry on this machine, and the only login that it takes. */
export class TestRegistry {
  private constructor(
    /** What the names of images in it begin with. */
    readonly address: string,
    private readonly login: string,
  ) {}

  /** Starts it; `removeAll` removes it. */
  static async start(username: string, password: string): Promise<TestRegistry> {
    const container = await docker.createContainer({
      Image: await registryImage(),
      name: `${prefix}-registry`,
      Env: [`PUSHER=${username}`, `SECRET=${password}`],
      HostConfig: { PortBindings: { "5000/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] } },
      ExposedPorts: { "5000/tcp": {} },
    });
    await container.start();
    const login = Buffer.from(`${username}:${password}`).toString("base64");
    for (let attempt = 0; attempt < 100; attempt++) {
      // The engine may tell the port a moment after the start.
      const { NetworkSettings } = await container.inspect();
      const port = NetworkSettings.Ports["5000/tcp"]?.[0]?.HostPort;
      const registry = new TestRegistry(`127.0.0.1:${port ?? ""}`, login);
      if (port !== undefined && (await registry.answers())) return registry;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error("The registry does not answer");
  }

  /** Asks the registry itself: `v2/<repository>/manifests/<tag>`. */
  ask(what: string): Promise<Response> {
    return fetch(`http://${this.address}/${what}`, {
      signal: AbortSignal.timeout(5000),
      headers: {
        authorization: `Basic ${this.login}`,
        accept: "application/vnd.docker.distribution.manifest.v2+json",
      },
    });
  }

  /** Takes away the names that images of this machine have for being pushed there. */
  async untag(): Promise<void> {
    for (const { RepoTags } of await docker.listImages()) {
      for (const tag of (RepoTags ?? []).filter((name) => name.startsWith(`${this.address}/`))) {
        await docker.getImage(tag).remove();
      }
    }
  }

  private answers(): Promise<boolean> {
    return this.ask("v2/").then(
      ({ status }) => status === 200,
      () => false,
    );
  }
}

async function registryImage(): Promise<string> {
  const name = `${prefix}-registry:1`;
  const folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-registry-"));
  try {
    await writeFile(path.join(folder, "Dockerfile"), dockerfile);
    await ensureImage(
      { name, context: folder, buildArgs: { BASE: await baseImage() } },
      { docker, cacheFolder: path.join(folder, "cache"), onProgress: () => undefined },
    );
    return name;
  } finally {
    await rm(folder, { recursive: true });
  }
}

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureImage } from "../../toolchain/docker-plugin/image-builder";
import { ensureBaseImage, ensureDocker, terminalReporter } from "../../toolchain/index";
import versions from "../../versions.json";
import { docker, prefix, removeAll, smallImage } from "./engine";
import { Harness, REGISTRY_IMAGE, TAG } from "./provider-subject";

/** Debian's registry, which asks for a name and a password. */
const dockerfile = `ARG BASE
FROM \${BASE}
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker-registry apache2-utils \\
 && rm -rf /var/lib/apt/lists/* \\
 && htpasswd -Bbn pusher secret > /users
ENV REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/tmp REGISTRY_AUTH=htpasswd REGISTRY_AUTH_HTPASSWD_REALM=test \\
    REGISTRY_AUTH_HTPASSWD_PATH=/users REGISTRY_HTTP_ADDR=:5000
CMD ["docker-registry", "serve", "/etc/docker/registry/config.yml"]
`;

const source = `${prefix}-source:1`;
let address: string;
let harness: Harness;

beforeAll(async () => {
  await smallImage(source);
  const image = `${prefix}-registry:1`;
  const folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-registry-"));
  try {
    const reporter = terminalReporter();
    await ensureDocker(reporter);
    const base = (await ensureBaseImage(reporter)) ?? versions.baseImage;
    await writeFile(path.join(folder, "Dockerfile"), dockerfile);
    await ensureImage(
      { name: image, context: folder, buildArgs: { BASE: base } },
      { docker, cacheFolder: path.join(folder, "cache"), onProgress: () => undefined },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
  const container = await docker.createContainer({
    Image: image,
    name: `${prefix}-registry`,
    HostConfig: { PortBindings: { "5000/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] } },
    ExposedPorts: { "5000/tcp": {} },
  });
  await container.start();
  await until(async () => {
    // The engine may tell the port a moment after the start.
    const { NetworkSettings } = await container.inspect();
    const port = NetworkSettings.Ports["5000/tcp"]?.[0]?.HostPort;
    address = `127.0.0.1:${port ?? ""}`;
    return port !== undefined && (await manifests("v2/")).status === 200;
  });
  harness = new Harness();
  const login = { address, username: "pusher", password: "secret" };
  harness.provider.configure({ registryAuth: JSON.stringify([login]) });
});

afterAll(async () => {
  for (const { RepoTags } of await docker.listImages()) {
    for (const tag of (RepoTags ?? []).filter((name) => name.startsWith(`${address}/`))) {
      await docker.getImage(tag).remove();
    }
  }
  await removeAll();
});

/** Asks the registry itself. */
function manifests(what: string): Promise<Response> {
  return fetch(`http://${address}/${what}`, {
    signal: AbortSignal.timeout(5000),
    headers: {
      authorization: `Basic ${Buffer.from("pusher:secret").toString("base64")}`,
      accept: "application/vnd.docker.distribution.manifest.v2+json",
    },
  });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    if (await holds().catch(() => false)) return;
    if (attempt === 100) throw new Error("The registry does not answer");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

describe("an image in a registry", () => {
  test("is called there what it is to be called, is pushed, and has the digest that the registry has", async () => {
    const target = `${address}/lakestack-test/small:v1`;
    const tag = await harness.create(TAG, { sourceImage: source, targetImage: target });
    expect(tag.outputs["sourceImageId"]).toBe((await docker.getImage(source).inspect()).Id);
    expect(await harness.refresh(TAG, tag)).toEqual(tag);

    const inputs = { name: target, triggers: { content: "v1" }, keepRemotely: true };
    const pushed = await harness.create(REGISTRY_IMAGE, inputs);
    const found = await manifests("v2/lakestack-test/small/manifests/v1");
    expect(found.status).toBe(200);
    expect(pushed.outputs["sha256Digest"]).toBe(found.headers.get("docker-content-digest"));
    expect(harness.differences(REGISTRY_IMAGE, pushed, inputs)).toEqual([]);
    expect(harness.differences(REGISTRY_IMAGE, pushed, { ...inputs, triggers: { content: "v2" } })).toEqual([
      "triggers:replace",
    ]);
    await harness.delete(REGISTRY_IMAGE, pushed);
    expect((await manifests("v2/lakestack-test/small/manifests/v1")).status).toBe(200);
  });

  test("is refused without the password, and the message names the image", async () => {
    const target = `${address}/lakestack-test/other:v1`;
    await harness.create(TAG, { sourceImage: source, targetImage: target });
    await expect(new Harness().create(REGISTRY_IMAGE, { name: target })).rejects.toThrow(
      `Image ${target} can't be pushed`,
    );
    expect((await manifests("v2/lakestack-test/other/manifests/v1")).status).toBe(404);
  });

  test("can't be called another name if it is not there, and the message names both", async () => {
    const inputs = { sourceImage: `${prefix}-nowhere:1`, targetImage: `${prefix}-other:1` };
    await expect(harness.create(TAG, inputs)).rejects.toThrow(
      `Image ${prefix}-nowhere:1 can't be called ${prefix}-other:1`,
    );
  });
});

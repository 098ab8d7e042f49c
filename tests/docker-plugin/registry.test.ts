import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { docker, prefix, removeAll, smallImage } from "./engine";
import { Harness, REGISTRY_IMAGE, TAG } from "./provider-subject";
import { TestRegistry } from "./registry";

const source = `${prefix}-source:1`;
let registry: TestRegistry;
let harness: Harness;

beforeAll(async () => {
  await smallImage(source);
  const login = { username: "pusher", password: "secret" };
  registry = await TestRegistry.start(login.username, login.password);
  harness = new Harness();
  const { address } = registry;
  harness.provider.configure({ registryAuth: JSON.stringify([{ address, ...login }]) });
});

afterAll(async () => {
  await registry.untag();
  await removeAll();
});

describe("an image in a registry", () => {
  test("is called there what it is to be called, is pushed, and has the digest that the registry has", async () => {
    const target = `${registry.address}/lakestack-test/small:v1`;
    const tag = await harness.create(TAG, { sourceImage: source, targetImage: target });
    expect(tag.outputs["sourceImageId"]).toBe((await docker.getImage(source).inspect()).Id);
    expect(await harness.refresh(TAG, tag)).toEqual(tag);

    const inputs = { name: target, triggers: { content: "v1" }, keepRemotely: true };
    const pushed = await harness.create(REGISTRY_IMAGE, inputs);
    const found = await registry.ask("v2/lakestack-test/small/manifests/v1");
    expect(found.status).toBe(200);
    expect(pushed.outputs["sha256Digest"]).toBe(found.headers.get("docker-content-digest"));
    expect(harness.differences(REGISTRY_IMAGE, pushed, inputs)).toEqual([]);
    expect(harness.differences(REGISTRY_IMAGE, pushed, { ...inputs, triggers: { content: "v2" } })).toEqual([
      "triggers:replace",
    ]);
    await harness.delete(REGISTRY_IMAGE, pushed);
    expect((await registry.ask("v2/lakestack-test/small/manifests/v1")).status).toBe(200);
  });

  test("is refused without the password, and the message names the image", async () => {
    const target = `${registry.address}/lakestack-test/other:v1`;
    await harness.create(TAG, { sourceImage: source, targetImage: target });
    await expect(new Harness().create(REGISTRY_IMAGE, { name: target })).rejects.toThrow(
      `Image ${target} can't be pushed`,
    );
    expect((await registry.ask("v2/lakestack-test/other/manifests/v1")).status).toBe(404);
  });

  test("can't be called another name if it is not there, and the message names both", async () => {
    const inputs = { sourceImage: `${prefix}-nowhere:1`, targetImage: `${prefix}-other:1` };
    await expect(harness.create(TAG, inputs)).rejects.toThrow(
      `Image ${prefix}-nowhere:1 can't be called ${prefix}-other:1`,
    );
  });
});

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Values } from "../../toolchain/plugin-protocol/provider";
import { docker, prefix, removeAll, smallImage } from "./engine";
import { CONTAINER, Harness, IMAGE, NETWORK, VOLUME } from "./provider-subject";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const harness = new Harness();
const labels = [{ label: "lakestack.stack", value: prefix }];
const base = `${prefix}-base:2`;

let made = 0;
const newName = () => `${prefix}-other-${++made}`;

beforeAll(async () => {
  await smallImage(base);
});
afterAll(removeAll);

describe("a network", () => {
  test("is what the engine shows, and unchanged after a refresh", async () => {
    const inputs = {
      name: newName(),
      labels,
      driver: "bridge",
      internal: true,
      attachable: true,
      options: { "com.docker.network.bridge.enable_icc": "true" },
      ipamConfigs: [{ subnet: "10.213.7.0/24", ipRange: "10.213.7.0/25" }],
    };
    const kept = await harness.create(NETWORK, inputs);
    expect(await docker.getNetwork(kept.id).inspect()).toMatchObject({
      Name: inputs.name,
      Internal: true,
      Attachable: true,
      Labels: { "lakestack.stack": prefix },
      Options: inputs.options,
    });
    expect(kept.outputs).toMatchObject({ driver: "bridge", scope: "local" });
    expect(await harness.refresh(NETWORK, kept)).toEqual(kept);
    expect(harness.differences(NETWORK, kept, inputs)).toEqual([]);
  });

  test("has the engine's choice where nothing is given", async () => {
    const kept = await harness.create(NETWORK, { name: newName() });
    expect(kept.outputs).toMatchObject({ driver: "bridge", internal: false, ipamDriver: "default" });
    expect(kept.outputs["ipamConfigs"]).toMatchObject([{ subnet: expect.stringContaining("/") as string }]);
    expect(await harness.refresh(NETWORK, kept)).toEqual(kept);
    expect(harness.differences(NETWORK, kept, { name: kept.inputs["name"] })).toEqual([]);
  });

  test("is replaced whatever changes, the old one first where the name stays", async () => {
    const inputs = { name: newName(), labels };
    const kept = await harness.create(NETWORK, inputs);
    const diff = (changes: Values) => harness.diff(NETWORK, kept, { ...inputs, ...changes });
    expect(diff({ internal: true })).toMatchObject({ replace: true, deleteBeforeReplace: true });
    expect(diff({ labels: [] })).toMatchObject({ replace: true, deleteBeforeReplace: true });
    expect(diff({ name: newName() })).toMatchObject({ replace: true, deleteBeforeReplace: false });
  });

  test("that was removed by hand is gone, and no error when deleted", async () => {
    const kept = await harness.create(NETWORK, { name: newName() });
    await docker.getNetwork(kept.id).remove();
    expect(await harness.refresh(NETWORK, kept)).toBeUndefined();
    await harness.delete(NETWORK, kept);
  });

  test("of a name that is taken is refused with the way out", async () => {
    const inputs = { name: newName() };
    await harness.create(NETWORK, inputs);
    await expect(harness.create(NETWORK, inputs)).rejects.toThrow(`docker network rm ${inputs.name}`);
  });
});

describe("a volume", () => {
  test("is what the engine shows, and unchanged after a refresh", async () => {
    const inputs = { name: newName(), labels, driverOpts: { type: "tmpfs", device: "tmpfs", o: "size=1m" } };
    const kept = await harness.create(VOLUME, inputs);
    const { Mountpoint, Options } = await docker.getVolume(inputs.name).inspect();
    expect(Options).toEqual(inputs.driverOpts);
    expect(kept).toMatchObject({ id: inputs.name, outputs: { driver: "local", mountpoint: Mountpoint } });
    expect(await harness.refresh(VOLUME, kept)).toEqual(kept);
    expect(harness.differences(VOLUME, kept, inputs)).toEqual([]);
    expect(harness.differences(VOLUME, kept, { ...inputs, labels: [] })).toEqual(["labels:replace"]);
  });

  test("that was removed by hand is gone, and no error when deleted", async () => {
    const kept = await harness.create(VOLUME, { name: newName() });
    await docker.getVolume(kept.id).remove();
    expect(await harness.refresh(VOLUME, kept)).toBeUndefined();
    await harness.delete(VOLUME, kept);
  });
});

describe("an image", () => {
  let context: string;
  let inputs: Values;

  beforeEach(async () => {
    context = await mkdtemp(path.join(os.tmpdir(), "lakestack-image-"));
    vi.stubEnv("LAKESTACK_CACHE", path.join(context, "cache"));
    await writeFile(path.join(context, ".dockerignore"), "cache\n");
    await writeFile(
      path.join(context, "Dockerfile"),
      `ARG BASE\nFROM \${BASE} AS build\nRUN touch /${path.basename(context)}\nFROM \${BASE}\nCOPY --from=build /lakestack-* /\n`,
    );
    const build = { context, buildArgs: { BASE: base }, tags: [`${newName()}:extra`] };
    inputs = { name: `${newName()}:1`, build, triggers: { content: "1" } };
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(context, { recursive: true });
  });

  const exists = (name: string) =>
    docker
      .getImage(name)
      .inspect()
      .then(
        () => true,
        () => false,
      );

  test("is built, named, told of, and unchanged after a refresh", async () => {
    const name = String(inputs["name"]);
    const kept = await harness.create(IMAGE, inputs);
    const { Id } = await docker.getImage(name).inspect();
    expect(kept).toMatchObject({ id: Id + name, outputs: { name, imageId: Id, repoDigest: "" } });
    const [extra = ""] = (inputs["build"] as { tags: string[] }).tags;
    expect((await docker.getImage(extra).inspect()).Id).toBe(Id);
    expect(harness.messages).toEqual(expect.arrayContaining([expect.stringMatching(/: built in \d+ s$/)]));
    expect(await harness.refresh(IMAGE, kept)).toEqual(kept);
    expect(harness.differences(IMAGE, kept, inputs)).toEqual([]);
  });

  test("is replaced for other triggers, name, build; not for how it is kept", async () => {
    const kept = await harness.create(IMAGE, inputs);
    const differences = (changes: Values) => harness.differences(IMAGE, kept, { ...inputs, ...changes });
    expect(differences({ triggers: { content: "2" } })).toEqual(["triggers:replace"]);
    expect(differences({ name: `${prefix}-x:2` })).toEqual(["name:replace"]);
    expect(differences({ build: { context, buildArgs: { BASE: "x" } } })).toEqual(["build:replace"]);
    expect(differences({ keepLocally: true })).toEqual(["keepLocally:note"]);
    expect(harness.diff(IMAGE, kept, { ...inputs, triggers: {} }).deleteBeforeReplace).toBe(false);
    const updated = await harness.update(IMAGE, kept, { ...inputs, keepLocally: true });
    expect(updated.outputs).toMatchObject({ keepLocally: true, imageId: kept.outputs["imageId"] });
  });

  test("loses its name when deleted, and goes, stages of its build and all, with the last one", async () => {
    const nameless = async () =>
      (await docker.listImages({ filters: { dangling: ["true"] } })).map(({ Id }) => Id);
    const before = await nameless();
    const name = String(inputs["name"]);
    const [extra = ""] = (inputs["build"] as { tags: string[] }).tags;
    const kept = await harness.create(IMAGE, inputs);
    const stages = (await nameless()).filter((id) => !before.includes(id));
    expect(stages).not.toEqual([]);
    await harness.delete(IMAGE, kept);
    expect([await exists(name), await exists(extra)]).toEqual([false, true]);
    expect(await Promise.all(stages.map(exists))).toEqual(stages.map(() => true));
    await docker.getImage(extra).remove();
    await harness.delete(IMAGE, kept);
    expect(await Promise.all(stages.map(exists))).toEqual(stages.map(() => false));
  });

  test("stays when it is to be kept", async () => {
    const kept = await harness.create(IMAGE, { ...inputs, keepLocally: true });
    await harness.delete(IMAGE, kept);
    expect(await exists(String(inputs["name"]))).toBe(true);
  });

  test("that a container uses is not deleted, unless by force", async () => {
    const { build, ...rest } = inputs as { build: { context: string; buildArgs: object } };
    const plain = { ...rest, build: { context: build.context, buildArgs: build.buildArgs } };
    const kept = await harness.create(IMAGE, plain);
    const image = kept.outputs["imageId"];
    await harness.create(CONTAINER, {
      name: newName(),
      image,
      command: ["sleep", "60"],
      mustRun: false,
      start: false,
    });
    await expect(harness.delete(IMAGE, kept)).rejects.toThrow(
      /must force.*forceRemove removes it all the same/,
    );
    await harness.delete(IMAGE, await harness.update(IMAGE, kept, { ...plain, forceRemove: true }));
    expect(await exists(String(inputs["name"]))).toBe(false);
  });

  test("that was removed by hand is gone, and no error when deleted", async () => {
    const kept = await harness.create(IMAGE, inputs);
    await docker.getImage(String(inputs["name"])).remove();
    expect(await harness.refresh(IMAGE, kept)).toBeUndefined();
    await harness.delete(IMAGE, kept);
  });

  test("without a build is taken as it is in the engine", async () => {
    const kept = await harness.create(IMAGE, { name: base, keepLocally: true });
    expect(kept.outputs["imageId"]).toBe((await docker.getImage(base).inspect()).Id);
  });
});

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Values } from "../../toolchain/plugin-protocol/provider";
import { DockerProvider } from "../../toolchain/docker-plugin/provider";
import { docker, prefix, removeAll, smallImage } from "./engine";
import { CONTAINER, Harness, NETWORK, VOLUME } from "./provider-subject";
import { found, printed, sleeper, stackLabel } from "./sleeper";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

/** How containers come, change, fail and go. */
const harness = new Harness();
let imageId: string;

beforeAll(async () => {
  imageId = await smallImage(`${prefix}-container:1`);
  await harness.create(NETWORK, { name: `${prefix}-network` });
  await harness.create(VOLUME, { name: `${prefix}-volume` });
});

afterAll(removeAll);

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

describe("an update in place", () => {
  test("changes the running container, and only that", async () => {
    const inputs = sleeper(imageId, { memory: 64, memorySwap: 64, restart: "no" });
    const kept = await harness.create(CONTAINER, inputs);
    const wanted = {
      ...inputs,
      memory: 96,
      memorySwap: 128,
      cpuShares: 512,
      restart: "on-failure",
      maxRetryCount: 2,
    };
    const updated = await harness.update(CONTAINER, kept, wanted);
    const { Id, State, HostConfig } = await found(kept);
    expect({ Id, running: State.Running }).toEqual({ Id: kept.id, running: true });
    expect(HostConfig).toMatchObject({
      Memory: 96 * 1024 * 1024,
      MemorySwap: 128 * 1024 * 1024,
      CpuShares: 512,
      RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 },
    });
    expect(harness.differences(CONTAINER, updated, wanted)).toEqual([]);
    expect(await harness.refresh(CONTAINER, updated)).toEqual(updated);
  });

  test("of the memory alone takes the swap limit along that the engine derived from it", async () => {
    const inputs = sleeper(imageId, { memory: 64 });
    const kept = await harness.create(CONTAINER, inputs);
    const updated = await harness.update(CONTAINER, kept, { ...inputs, memory: 256 });
    expect(updated.outputs).toMatchObject({ memory: 256, memorySwap: 512 });
    expect(await harness.refresh(CONTAINER, updated)).toEqual(updated);
  });
});

describe("a refresh", () => {
  test("finds that the container was removed by hand", async () => {
    const kept = await harness.create(CONTAINER, sleeper(imageId));
    await docker.getContainer(kept.id).remove({ force: true });
    expect(await harness.refresh(CONTAINER, kept)).toBeUndefined();
    await harness.delete(CONTAINER, kept);
  });

  test("takes a container that was stopped by hand for gone, and removes it", async () => {
    const kept = await harness.create(CONTAINER, sleeper(imageId));
    await docker.getContainer(kept.id).kill();
    expect(await harness.refresh(CONTAINER, kept)).toBeUndefined();
    await expect(found(kept)).rejects.toThrow(/no such container/);
  });

  test("leaves alone one that need not run, and tells its exit code", async () => {
    const kept = await harness.create(
      CONTAINER,
      sleeper(imageId, { mustRun: false, command: ["sh", "-c", "exit 3"], attach: true }),
    );
    expect((await harness.refresh(CONTAINER, kept))?.outputs["exitCode"]).toBe(3);
  });

  test("finds changed limits and a lost network, and what to do about them", async () => {
    const name = `${prefix}-network`;
    const inputs = sleeper(imageId, {
      memory: 64,
      memorySwap: 64,
      networksAdvanced: [{ name, aliases: ["a"] }],
    });
    const kept = await harness.create(CONTAINER, inputs);
    await docker.getContainer(kept.id).update({ Memory: 128 * 1024 * 1024, MemorySwap: 128 * 1024 * 1024 });
    await docker.getNetwork(name).disconnect({ Container: kept.id });
    const refreshed = await harness.refresh(CONTAINER, kept);
    expect(refreshed?.outputs).toMatchObject({ memory: 128, memorySwap: 128 });
    expect(refreshed?.inputs).toMatchObject({ memory: 128, networksAdvanced: [] });
    const expected = ["memory:update", "memorySwap:update", "networksAdvanced:replace"];
    expect(harness.differences(CONTAINER, refreshed ?? kept, inputs)).toEqual(expected);
  });
});

describe("a container that fails", () => {
  /** What is on record of it, and what the user was told. */
  const failure = async (changes: Values) => {
    const inputs = sleeper(imageId, changes);
    const error: unknown = await harness.create(CONTAINER, inputs).catch((reason: unknown) => reason);
    const { message, id, outputs } = error as { message: string; id: string; outputs: Values };
    return {
      message,
      name: String(inputs["name"]),
      kept: { id, outputs, inputs: harness.inputs(CONTAINER, inputs) },
    };
  };

  test("by exiting is named, with its exit code and last words", async () => {
    // Two pipes lead to the engine, and it reads neither first: the pause gives their lines an order.
    const script = "for i in 1 2 3; do echo line $i; done; sleep 0.5; echo to stderr >&2; exit 3";
    const command = ["sh", "-c", script];
    const { message, name } = await failure({ command, wait: true, healthcheck: { tests: ["CMD", "true"] } });
    expect(message).toBe(
      `Container ${name} exited with code 3.\n  Last lines of its output:\n` +
        "    line 1\n    line 2\n    line 3\n    to stderr",
    );
  });

  test("by exiting again and again is not waited for until the end", async () => {
    const restart = {
      restart: "always",
      wait: true,
      healthcheck: { tests: ["CMD", "true"] },
      waitTimeout: 60,
    };
    const { message } = await failure({ command: ["sh", "-c", "exit 4"], ...restart });
    expect(message).toMatch(/was restarted 5 times, last exit code 4/);
  });

  test("by not getting healthy is named, with what its health check said", async () => {
    const healthcheck = {
      tests: ["CMD-SHELL", "echo the check speaks; exit 1"],
      interval: "1s",
      timeout: "5s",
      retries: 1,
    };
    const command = ["sh", "-c", "echo still here; sleep 600"];
    const { message, name } = await failure({ command, healthcheck, wait: true, waitTimeout: 2 });
    expect(message).toBe(
      `Container ${name} was not healthy after 2 s (waitTimeout).\n  Last health check, exit code 1:\n    the check speaks\n` +
        "  Last lines of its output:\n    still here",
    );
  });

  test("by having no health check to be waited for says so", async () => {
    expect((await failure({ wait: true })).message).toMatch(
      /has no health check: give it one, or leave out `wait`/,
    );
  });

  test("by a program that is not there says so", async () => {
    const { message, name } = await failure({ command: ["no-such-program"] });
    expect(message).toMatch(new RegExp(`^Container ${name}: .*no-such-program`));
  });

  test("by a port that is taken says which", async () => {
    const holder = await harness.create(
      CONTAINER,
      sleeper(imageId, { ports: [{ internal: 80, ip: "127.0.0.1" }] }),
    );
    const [{ external }] = holder.outputs["ports"] as [{ external: number }];
    const { message } = await failure({ ports: [{ internal: 80, external, ip: "127.0.0.1" }] });
    expect(message).toMatch(new RegExp(`127.0.0.1:${external}.*already`));
  });

  test("stays on record, and is replaced by the next update whatever has changed", async () => {
    // Waited for: without that, a container that takes its time to end would count as one that runs.
    const healthcheck = { tests: ["CMD", "true"] };
    const { kept } = await failure({ command: ["sh", "-c", "exit 1"], wait: true, healthcheck });
    expect((await found(kept)).State.Status).toBe("exited");
    const diff = harness.diff(CONTAINER, kept, kept.inputs);
    expect(diff).toMatchObject({ replace: true, deleteBeforeReplace: true });
    await harness.delete(CONTAINER, kept);
    await expect(found(kept)).rejects.toThrow(/no such container/);
  });

  test("because the user stopped waiting stays on record too", async () => {
    const impatient = new Harness(new DockerProvider());
    const healthcheck = { tests: ["CMD", "sh", "-c", "exit 1"], interval: "1s" };
    const inputs = sleeper(imageId, { healthcheck, wait: true, waitTimeout: 60 });
    const started = Date.now();
    const creation = impatient.create(CONTAINER, inputs).catch((error: unknown) => error);
    while (!impatient.messages.some((line) => line.includes("waiting until"))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    impatient.provider.cancel();
    expect(await creation).toMatchObject({
      message: `Container ${String(inputs["name"])}: interrupted`,
      id: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      outputs: expect.objectContaining({ image: imageId }) as object,
    });
    expect(Date.now() - started).toBeLessThan(10_000);
  });
});

test("a limit of time that the program sets is kept, and named", async () => {
  const inputs = harness.inputs(
    CONTAINER,
    sleeper(imageId, { healthcheck: { tests: ["CMD", "rm"], interval: "1s" }, wait: true }),
  );
  // Garbage collection must not take the limit away.
  const tidying = setInterval(collectGarbage, 50);
  try {
    await expect(harness.provider.create(harness.subject(CONTAINER, 1), inputs)).rejects.toThrow(
      /not done in the time/,
    );
  } finally {
    clearInterval(tidying);
  }
});

describe("a name that is taken", () => {
  test("by a leftover of the same stack is reported with the way out", async () => {
    const inputs = sleeper(imageId);
    await harness.create(CONTAINER, inputs);
    const name = String(inputs["name"]);
    await expect(harness.create(CONTAINER, inputs)).rejects.toThrow(
      `Container ${name}: the engine has a container of this name that is not in the stack's state. ` +
        `It has this stack's labels: an interrupted run left it behind. To remove it: docker rm -f -v ${name}`,
    );
  });

  test("by something else is reported as such", async () => {
    const inputs = sleeper(imageId, { labels: [] });
    await harness.create(CONTAINER, inputs);
    await expect(harness.create(CONTAINER, { ...inputs, labels: [stackLabel] })).rejects.toThrow(
      /does not have this stack's labels: something else has made it/,
    );
  });
});

test("a stop signal is sent, and its grace period waited for, when the container is deleted", async () => {
  const script = "trap 'echo stopped > /data/stopped; exit 0' TERM; while :; do sleep 0.1; done";
  const volumes = [{ volumeName: `${prefix}-volume`, containerPath: "/data" }];
  const inputs = sleeper(imageId, { command: ["sh", "-c", script], volumes, destroyGraceSeconds: 10 });
  await harness.delete(CONTAINER, await harness.create(CONTAINER, inputs));
  expect(await printed(harness, imageId, "cat /data/stopped", { volumes })).toBe("stopped");
});

test("an image that is not there and cannot be pulled is named", async () => {
  await expect(
    harness.create(CONTAINER, sleeper(imageId, { image: "localhost:1/nothing:1" })),
  ).rejects.toThrow(
    /Image localhost:1\/nothing:1 is not in the engine and cannot be pulled: .* docker pull localhost:1\/nothing:1/,
  );
});

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { inspect } from "../../toolchain/docker-plugin/container/engine-types";
import type { Values } from "../../toolchain/docker-plugin/property-table";
import { Provider } from "../../toolchain/docker-plugin/provider";
import { docker, prefix, removeAll, smallImage } from "./engine";
import type { Kept } from "./provider-subject";
import { CONTAINER, Harness, NETWORK, VOLUME } from "./provider-subject";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const harness = new Harness();
const stackLabel = { label: "lakestack.stack", value: prefix };
const imageName = `${prefix}-container:1`;
let imageId: string;
let network: Kept;
let volume: Kept;

beforeAll(async () => {
  imageId = await smallImage(imageName);
  network = await harness.create(NETWORK, { name: `${prefix}-network`, labels: [stackLabel] });
  volume = await harness.create(VOLUME, { name: `${prefix}-volume`, labels: [stackLabel] });
});

afterAll(removeAll);

let made = 0;
/** A container that sleeps, with the changes given. */
const sleeper = (changes: Values = {}): Values => ({
  name: `${prefix}-${++made}`,
  image: imageId,
  command: ["sleep", "600"],
  labels: [stackLabel],
  ...changes,
});

const found = (kept: Kept) => inspect(docker.getContainer(kept.id));

/** Runs a shell command to its end and returns what it printed. */
const printed = async (command: string, changes: Values = {}): Promise<string> => {
  const once = { command: ["sh", "-c", command], mustRun: false, attach: true, logs: true };
  const { outputs } = await harness.create(CONTAINER, sleeper({ ...once, ...changes }));
  return String(outputs["containerLogs"]).trim();
};

describe("a container as the Docker platform renders it", () => {
  let inputs: Values;
  let kept: Kept;

  beforeAll(async () => {
    inputs = sleeper({
      hostname: "service",
      entrypoints: ["sh"],
      command: ["-c", "sleep 600"],
      envs: ["B=2", "A=1"],
      uploads: [
        { file: "/etc/new/folder/text", content: "content\n", permissions: "0444" },
        { file: "/etc/program", contentBase64: Buffer.from([0, 255]).toString("base64"), executable: true },
      ],
      ports: [{ internal: 8080, external: 0, ip: "127.0.0.1", protocol: "tcp" }],
      volumes: [{ volumeName: volume.outputs["name"], containerPath: "/data" }],
      networksAdvanced: [{ name: network.outputs["name"], aliases: ["service", "alias"] }],
      labels: [stackLabel, { label: "lakestack.service", value: "service" }],
      healthcheck: {
        tests: ["CMD", "cat", "/etc/new/folder/text"],
        interval: "1s",
        timeout: "5s",
        startPeriod: "1m0s",
        retries: 3,
      },
      wait: true,
      waitTimeout: 30,
      memory: 64,
      memorySwap: 64,
      cpus: "0.5",
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      tmpfs: { "/tmp": "rw,size=1048576" },
      init: true,
      restart: "unless-stopped",
      destroyGraceSeconds: 1,
      user: "10001:10001",
      workingDir: "/data",
      logDriver: "json-file",
      logOpts: { "max-size": "10m" },
      stopTimeout: 5,
      stopSignal: "SIGINT",
    });
    kept = await harness.create(CONTAINER, inputs);
  });

  test("is what the engine shows", async () => {
    const { Name, Image, Config, HostConfig, NetworkSettings, State } = await found(kept);
    expect({ Name, Image, health: State.Health?.Status }).toEqual({
      Name: `/${String(inputs["name"])}`,
      Image: imageId,
      health: "healthy",
    });
    expect(Config).toMatchObject({
      Hostname: "service",
      Entrypoint: ["sh"],
      Cmd: ["-c", "sleep 600"],
      User: "10001:10001",
      WorkingDir: "/data",
      StopSignal: "SIGINT",
      StopTimeout: 5,
      Labels: { "lakestack.stack": prefix, "lakestack.service": "service", "from-image": "yes" },
      Healthcheck: {
        Test: ["CMD", "cat", "/etc/new/folder/text"],
        Interval: 1e9,
        Timeout: 5e9,
        StartPeriod: 60e9,
        Retries: 3,
      },
    });
    expect(Config.Env).toEqual(expect.arrayContaining(["A=1", "B=2", "FROM_IMAGE=yes"]));
    expect(HostConfig).toMatchObject({
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      NanoCpus: 5e8,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Tmpfs: { "/tmp": "rw,size=1048576" },
      Init: true,
      RestartPolicy: { Name: "unless-stopped" },
      Binds: [`${prefix}-volume:/data:rw`],
      LogConfig: { Type: "json-file", Config: { "max-size": "10m" } },
    });
    expect(HostConfig.PortBindings?.["8080/tcp"]?.[0]?.HostIp).toBe("127.0.0.1");
    expect(Object.keys(NetworkSettings.Networks)).toEqual([`${prefix}-network`]);
    expect(NetworkSettings.Networks[`${prefix}-network`]?.Aliases).toEqual(
      expect.arrayContaining(["service", "alias"]),
    );
  });

  test("has the official plugin's outputs", () => {
    const { id, outputs } = kept;
    expect(outputs).toMatchObject({ name: inputs["name"], image: imageId, bridge: "", hostname: "service" });
    expect(outputs["networkDatas"]).toMatchObject([
      { networkName: `${prefix}-network`, ipPrefixLength: expect.any(Number) as number },
    ]);
    expect(outputs["ports"]).toMatchObject([{ internal: 8080, external: expect.any(Number) as number }]);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
  });

  test("is unchanged after a refresh, and needs no update after it", async () => {
    expect(await harness.refresh(CONTAINER, kept)).toEqual(kept);
    expect(harness.diff(CONTAINER, kept, inputs)).toMatchObject({ differences: [], replace: false });
  });

  test("is unchanged when the same is written in other words", () => {
    const reordered = {
      ...inputs,
      envs: ["A=1", "B=2"],
      labels: [...(inputs["labels"] as object[])].reverse(),
      healthcheck: { ...(inputs["healthcheck"] as object), startPeriod: "60s" },
      capabilities: { drops: ["all"], adds: [] },
      cpus: "0.50",
      privileged: false,
      dns: [],
    };
    expect(harness.differences(CONTAINER, kept, reordered)).toEqual([]);
  });

  test.each([
    [{ memory: 96 }, ["memory:update"]],
    [{ memorySwap: 128 }, ["memorySwap:update"]],
    [{ cpuShares: 512 }, ["cpuShares:update"]],
    [{ cpuSet: "0" }, ["cpuSet:update"]],
    [{ restart: "on-failure", maxRetryCount: 3 }, ["maxRetryCount:update", "restart:update"]],
    [
      { waitTimeout: 31, destroyGraceSeconds: 2, rm: true },
      ["destroyGraceSeconds:note", "rm:note", "waitTimeout:note"],
    ],
    [{ image: "another:1" }, ["image:replace"]],
    [{ command: ["-c", "sleep 601"] }, ["command:replace"]],
    [{ envs: ["A=1", "B=3"] }, ["envs:replace"]],
    [{ uploads: [{ file: "/etc/program", content: "x" }] }, ["uploads:replace"]],
    [{ labels: [] }, ["labels:replace"]],
    [{ cpus: "1" }, ["cpus:replace"]],
    [{ tmpfs: {} }, ["tmpfs:replace"]],
    [{ healthcheck: { tests: ["CMD", "true"] } }, ["healthcheck:replace"]],
    [{ ports: [{ internal: 8080, external: 1, ip: "127.0.0.1" }] }, ["ports:replace"]],
    [{ ports: [] }, ["ports:replace"]],
    [
      { networksAdvanced: [{ name: `${prefix}-network`, aliases: ["service"] }] },
      ["networksAdvanced:replace"],
    ],
    // The engine can change the limit, but not take it away.
    [{ memory: undefined }, ["memory:replace"]],
    // The engine would choose for itself again: as with the official plugin, no change.
    [{ hostname: undefined, memorySwap: undefined, logDriver: undefined }, []],
  ])("tells what %o means", (changes, expected) => {
    expect(harness.differences(CONTAINER, kept, { ...inputs, ...changes })).toEqual(expected);
  });

  test("is replaced only after the old one is gone", () => {
    expect(harness.diff(CONTAINER, kept, { ...inputs, cpus: "1" })).toMatchObject({
      replace: true,
      deleteBeforeReplace: true,
    });
  });
});

describe("the further properties", () => {
  test("are what the engine shows, and unchanged after a refresh", async () => {
    const inputs = sleeper({
      readOnly: true,
      ulimits: [{ name: "nofile", soft: 100, hard: 200 }],
      shmSize: 8,
      hosts: [{ host: "elsewhere", ip: "10.1.2.3" }],
      dns: ["10.0.0.53"],
      dnsOpts: ["ndots:1"],
      dnsSearches: ["example.test"],
      groupAdds: ["1234"],
      ipcMode: "private",
      sysctls: { "net.ipv4.ip_unprivileged_port_start": "0" },
      mounts: [{ type: "tmpfs", target: "/scratch", tmpfsOptions: { sizeBytes: 1048576, mode: 448 } }],
      capabilities: { adds: ["NET_ADMIN"] },
      memoryReservation: 32,
      cpuPeriod: 50_000,
      cpuQuota: 25_000,
      domainname: "example.test",
      tty: true,
      stdinOpen: true,
      devices: [{ hostPath: "/dev/null", containerPath: "/dev/nothing" }],
      envs: ["EMPTY=", "LONG=a=b"],
    });
    const kept = await harness.create(CONTAINER, inputs);
    const { HostConfig, Config } = await found(kept);
    expect(HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      Ulimits: [{ Name: "nofile", Soft: 100, Hard: 200 }],
      ShmSize: 8 * 1024 * 1024,
      ExtraHosts: ["elsewhere:10.1.2.3"],
      Dns: ["10.0.0.53"],
      DnsOptions: ["ndots:1"],
      DnsSearch: ["example.test"],
      GroupAdd: ["1234"],
      IpcMode: "private",
      Sysctls: { "net.ipv4.ip_unprivileged_port_start": "0" },
      CapAdd: [expect.stringMatching(/^(CAP_)?NET_ADMIN$/)],
      MemoryReservation: 32 * 1024 * 1024,
      CpuPeriod: 50_000,
      CpuQuota: 25_000,
    });
    expect(HostConfig.Mounts).toMatchObject([
      { Type: "tmpfs", Target: "/scratch", TmpfsOptions: { SizeBytes: 1048576 } },
    ]);
    expect(Config).toMatchObject({ Domainname: "example.test", Tty: true, OpenStdin: true });
    expect(await harness.refresh(CONTAINER, kept)).toEqual(kept);
    expect(harness.differences(CONTAINER, kept, inputs)).toEqual([]);
  });

  test("are the engine's choice where nothing is given, and unchanged after a refresh", async () => {
    const inputs = { name: `${prefix}-${++made}`, image: imageName, command: ["sleep", "600"] };
    const kept = await harness.create(CONTAINER, inputs);
    expect(kept.outputs).toMatchObject({
      image: imageId,
      entrypoints: [],
      envs: [],
      labels: [],
      logDriver: "json-file",
      ipcMode: "private",
      shmSize: 64,
      networkDatas: [{ networkName: "bridge" }],
    });
    expect(await harness.refresh(CONTAINER, kept)).toEqual(kept);
    expect(harness.differences(CONTAINER, kept, inputs)).toEqual([]);
  });

  test("published ports get the number asked for, or one of the engine's choice, for good", async () => {
    const ports = [{ internal: 80 }, { internal: 53, protocol: "udp", ip: "127.0.0.1" }];
    const kept = await harness.create(CONTAINER, sleeper({ ports }));
    const numbers = (kept.outputs["ports"] as { external: number }[]).map(({ external }) => external);
    expect(numbers.every((number) => number > 1024)).toBe(true);
    expect(harness.differences(CONTAINER, kept, { ...kept.inputs, ports })).toEqual([]);
  });

  test("volumes can be read-only, from the host, or anonymous and then go with the container", async () => {
    const volumes = [
      { volumeName: `${prefix}-volume`, containerPath: "/readonly", readOnly: true },
      { hostPath: "/etc", containerPath: "/host", readOnly: true },
      { containerPath: "/anonymous" },
    ];
    const kept = await harness.create(CONTAINER, sleeper({ volumes }));
    const { HostConfig, Mounts } = await found(kept);
    expect(HostConfig.Binds?.sort()).toEqual(["/etc:/host:ro", `${prefix}-volume:/readonly:ro`]);
    expect(await harness.refresh(CONTAINER, kept)).toEqual(kept);
    const anonymous = Mounts.find(({ Destination }) => Destination === "/anonymous")?.Name ?? "";
    await harness.delete(CONTAINER, kept);
    await expect(docker.getVolume(anonymous).inspect()).rejects.toThrow(/no such volume/);
  });
});

describe("uploaded files", () => {
  test("have their content and mode, below folders that anyone may enter", async () => {
    const uploads = [
      { file: "/opt/new/deep/text", content: "grüße\n", permissions: "0440" },
      { file: "/opt/new/plain", content: "p" },
      { file: "/opt/new/program", content: "p", executable: true },
      { file: "/opt/new/source", source: __filename },
    ];
    const lines = await printed(
      "cat /opt/new/deep/text; stat -c '%a %u' /opt/new/deep /opt/new/deep/text /opt/new/plain /opt/new/program; cat /opt/new/source",
      {
        uploads,
      },
    );
    expect(lines.split("\n").slice(0, 5)).toEqual(["grüße", "755 0", "440 0", "644 0", "744 0"]);
    expect(lines).toContain("have their content and mode");
  });

  test("leave folders of the image as they are", async () => {
    expect(await printed("stat -c %a /usr/bin", { uploads: [{ file: "/usr/bin/new", content: "x" }] })).toBe(
      "755",
    );
  });
});

describe("an update in place", () => {
  test("changes the running container, and only that", async () => {
    const inputs = sleeper({ memory: 64, memorySwap: 64, restart: "no" });
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
    const inputs = sleeper({ memory: 64 });
    const kept = await harness.create(CONTAINER, inputs);
    const updated = await harness.update(CONTAINER, kept, { ...inputs, memory: 256 });
    expect(updated.outputs).toMatchObject({ memory: 256, memorySwap: 512 });
    expect(await harness.refresh(CONTAINER, updated)).toEqual(updated);
  });
});

describe("a refresh", () => {
  test("finds that the container was removed by hand", async () => {
    const kept = await harness.create(CONTAINER, sleeper());
    await docker.getContainer(kept.id).remove({ force: true });
    expect(await harness.refresh(CONTAINER, kept)).toBeUndefined();
    await harness.delete(CONTAINER, kept);
  });

  test("takes a container that was stopped by hand for gone, and removes it", async () => {
    const kept = await harness.create(CONTAINER, sleeper());
    await docker.getContainer(kept.id).kill();
    expect(await harness.refresh(CONTAINER, kept)).toBeUndefined();
    await expect(found(kept)).rejects.toThrow(/no such container/);
  });

  test("leaves alone one that need not run, and tells its exit code", async () => {
    const kept = await harness.create(
      CONTAINER,
      sleeper({ mustRun: false, command: ["sh", "-c", "exit 3"], attach: true }),
    );
    expect((await harness.refresh(CONTAINER, kept))?.outputs["exitCode"]).toBe(3);
  });

  test("finds changed limits and a lost network, and what to do about them", async () => {
    const name = `${prefix}-network`;
    const inputs = sleeper({ memory: 64, memorySwap: 64, networksAdvanced: [{ name, aliases: ["a"] }] });
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
    const inputs = sleeper(changes);
    const error: unknown = await harness.create(CONTAINER, inputs).catch((reason: unknown) => reason);
    const { message, id, outputs } = error as { message: string; id: string; outputs: Values };
    return {
      message,
      name: String(inputs["name"]),
      kept: { id, outputs, inputs: harness.inputs(CONTAINER, inputs) },
    };
  };

  test("by exiting is named, with its exit code and last words", async () => {
    const command = ["sh", "-c", "for i in 1 2 3; do echo line $i; done; echo to stderr >&2; exit 3"];
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
    const holder = await harness.create(CONTAINER, sleeper({ ports: [{ internal: 80, ip: "127.0.0.1" }] }));
    const [{ external }] = holder.outputs["ports"] as [{ external: number }];
    const { message } = await failure({ ports: [{ internal: 80, external, ip: "127.0.0.1" }] });
    expect(message).toMatch(new RegExp(`127.0.0.1:${external}.*already`));
  });

  test("stays on record, and is replaced by the next update whatever has changed", async () => {
    const { kept } = await failure({ command: ["sh", "-c", "exit 1"] });
    expect((await found(kept)).State.Status).toBe("exited");
    const diff = harness.diff(CONTAINER, kept, kept.inputs);
    expect(diff).toMatchObject({ replace: true, deleteBeforeReplace: true });
    await harness.delete(CONTAINER, kept);
    await expect(found(kept)).rejects.toThrow(/no such container/);
  });

  test("because the user stopped waiting stays on record too", async () => {
    const impatient = new Harness(new Provider());
    const healthcheck = { tests: ["CMD", "sh", "-c", "exit 1"], interval: "1s" };
    const inputs = sleeper({ healthcheck, wait: true, waitTimeout: 60 });
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
    sleeper({ healthcheck: { tests: ["CMD", "rm"], interval: "1s" }, wait: true }),
  );
  await expect(harness.provider.create(harness.subject(CONTAINER, 1), inputs)).rejects.toThrow(
    /not done in the time/,
  );
});

describe("a name that is taken", () => {
  test("by a leftover of the same stack is reported with the way out", async () => {
    const inputs = sleeper();
    await harness.create(CONTAINER, inputs);
    const name = String(inputs["name"]);
    await expect(harness.create(CONTAINER, inputs)).rejects.toThrow(
      `Container ${name}: the engine has a container of this name that is not in the stack's state. ` +
        `It has this stack's labels: an interrupted run left it behind. To remove it: docker rm -f -v ${name}`,
    );
  });

  test("by something else is reported as such", async () => {
    const inputs = sleeper({ labels: [] });
    await harness.create(CONTAINER, inputs);
    await expect(harness.create(CONTAINER, { ...inputs, labels: [stackLabel] })).rejects.toThrow(
      /does not have this stack's labels: something else has made it/,
    );
  });
});

test("a stop signal is sent, and its grace period waited for, when the container is deleted", async () => {
  const script = "trap 'echo stopped > /data/stopped; exit 0' TERM; while :; do sleep 0.1; done";
  const volumes = [{ volumeName: `${prefix}-volume`, containerPath: "/data" }];
  const inputs = sleeper({ command: ["sh", "-c", script], volumes, destroyGraceSeconds: 10 });
  await harness.delete(CONTAINER, await harness.create(CONTAINER, inputs));
  expect(await printed("cat /data/stopped", { volumes })).toBe("stopped");
});

test("an image that is not there and cannot be pulled is named", async () => {
  await expect(harness.create(CONTAINER, sleeper({ image: "localhost:1/nothing:1" }))).rejects.toThrow(
    /Image localhost:1\/nothing:1 is not in the engine and cannot be pulled: .* docker pull localhost:1\/nothing:1/,
  );
});

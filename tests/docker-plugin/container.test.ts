import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Values } from "../../toolchain/plugin-protocol/provider";
import { docker, prefix, removeAll, smallImage } from "./engine";
import type { Kept } from "./provider-subject";
import { CONTAINER, Harness, NETWORK, VOLUME } from "./provider-subject";
import { found, printed, sleeper, stackLabel } from "./sleeper";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

/** What the properties of a container mean to the engine, and that they mean the same when they are read back. */
const harness = new Harness();
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

describe("a container as the Docker platform renders it", () => {
  let inputs: Values;
  let kept: Kept;

  beforeAll(async () => {
    inputs = sleeper(imageId, {
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

describe("a container on several networks", () => {
  const networks = ["here", "there"].map((place) => `${prefix}-${place}`);
  const names = (place: string) => ({ name: `${prefix}-${place}`, aliases: ["service", `service.${place}`] });
  let inputs: Values;
  let kept: Kept;

  beforeAll(async () => {
    for (const name of networks) await harness.create(NETWORK, { name, labels: [stackLabel] });
    inputs = sleeper(imageId, { networksAdvanced: [names("there"), names("here")] });
    kept = await harness.create(CONTAINER, inputs);
  });

  test("is on those and no others, with the names that it has on each", async () => {
    const { NetworkSettings } = await found(kept);
    expect(Object.keys(NetworkSettings.Networks).sort()).toEqual(networks);
    for (const place of ["here", "there"])
      expect(NetworkSettings.Networks[`${prefix}-${place}`]?.Aliases).toEqual(
        expect.arrayContaining(names(place).aliases),
      );
  });

  test("is unchanged after a refresh, in whatever order they are given", async () => {
    const refreshed = await harness.refresh(CONTAINER, kept);
    const otherOrder = { ...inputs, networksAdvanced: [names("here"), names("there")] };
    expect(harness.differences(CONTAINER, refreshed ?? kept, otherOrder)).toEqual([]);
  });

  test("is replaced for one more or less", () => {
    const fewer = { ...inputs, networksAdvanced: [names("here")] };
    expect(harness.differences(CONTAINER, kept, fewer)).toEqual(["networksAdvanced:replace"]);
  });
});

describe("the further properties", () => {
  test("are what the engine shows, and unchanged after a refresh", async () => {
    const inputs = sleeper(imageId, {
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
    const inputs = { name: `${prefix}-plain`, image: imageName, command: ["sleep", "600"] };
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
    const kept = await harness.create(CONTAINER, sleeper(imageId, { ports }));
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
    const kept = await harness.create(CONTAINER, sleeper(imageId, { volumes }));
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
      harness,
      imageId,
      "cat /opt/new/deep/text; stat -c '%a %u' /opt/new/deep /opt/new/deep/text /opt/new/plain /opt/new/program; cat /opt/new/source",
      {
        uploads,
      },
    );
    expect(lines.split("\n").slice(0, 5)).toEqual(["grüße", "755 0", "440 0", "644 0", "744 0"]);
    expect(lines).toContain("have their content and mode");
  });

  test("leave folders of the image as they are", async () => {
    expect(
      await printed(harness, imageId, "stat -c %a /usr/bin", {
        uploads: [{ file: "/usr/bin/new", content: "x" }],
      }),
    ).toBe("755");
  });
});

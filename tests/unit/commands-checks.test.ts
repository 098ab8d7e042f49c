import { mkdtemp, rm, statfs } from "node:fs/promises";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type Finding, judge, needed } from "../../commands/checks";
import { report, verdict } from "../../commands/doctor";
import { type EngineFacts, type MachineFacts, mostNetworks } from "../../commands/machine-facts";
import { isPortFree, processAtPort } from "../../commands/port-holder";

const GiB = 1024 ** 3;

const engine: EngineFacts = {
  address: "unix:///var/run/docker.sock (the default socket)",
  version: "27.0.1",
  architecture: "x86_64",
  cpus: 4,
  memory: 16 * GiB,
  rootFolder: "/var/lib/docker",
  containers: [],
  volumes: [],
  networks: { own: 0, others: 1, most: 31 },
  hasImages: false,
};

/** A machine on which nothing is wrong. */
const good: MachineFacts = {
  stack: "dev",
  nodeVersion: "22.11.0",
  platform: "linux",
  architecture: "x64",
  engine,
  availableMemory: 8 * GiB,
  disks: [
    { purpose: "containers and images", path: "/var/lib/docker", free: 40 * GiB },
    { purpose: "downloads and builds", path: "/home/ann/.cache/lakestack", free: 40 * GiB },
    { purpose: "project", path: "/home/ann/lakestack", free: 40 * GiB },
  ],
  ports: [
    { key: "trinoPort", port: 8443 },
    { key: "airflowPort", port: 8081 },
  ],
  passphrase: "unused",
  stateKnown: false,
};

function findings(change: Partial<MachineFacts>, level: Finding["level"] = "blocking"): Finding[] {
  return judge({ ...good, ...change }).filter((finding) => finding.level === level);
}

describe("checks of the machine", () => {
  test("a machine that has everything passes every check", () => {
    expect(judge(good).filter(({ level }) => level !== "fine")).toEqual([]);
    expect(verdict(judge(good))).toBe("Nothing is in the way of npm run up.");
  });

  test("warns where Docker has too few networks left, of which the stack's own are not counted", () => {
    const having = (networks: EngineFacts["networks"]) =>
      findings({ engine: { ...engine, networks } }, "warning");
    expect(having({ own: 8, others: 22, most: 31 })).toEqual([]);
    expect(having({ own: 0, others: 23, most: 31 })[0]).toMatchObject({
      check: "Docker's networks",
      found: "23 of 31 are taken, and a stack has up to 9",
      remedy: expect.stringContaining("default-address-pools") as string,
    });
  });

  test("counts the networks that an engine can make, by its own ranges or those that it was given", () => {
    expect(mostNetworks(undefined)).toBe(31);
    expect(mostNetworks([{ Base: "172.16.0.0/12", Size: 24 }])).toBe(4096);
  });

  test("every finding that needs something done says what", () => {
    const bad: MachineFacts = {
      ...good,
      nodeVersion: "18.20.0",
      architecture: "riscv64",
      availableMemory: GiB,
      disks: good.disks.map((disk) => ({ ...disk, free: 0 })),
      ports: [{ key: "trinoPort", port: 8443, holder: "nginx (process 12)" }],
      passphrase: "missing",
      engine: {
        ...engine,
        cpus: 1,
        volumes: ["lakestack-dev-database"],
        networks: { own: 0, others: 29, most: 31 },
      },
    };
    const wanting = judge(bad).filter(({ level }) => level !== "fine");
    expect(wanting).toHaveLength(11);
    for (const { remedy } of wanting) expect(remedy).toMatch(/\w{4}/);
  });

  test("a Node.js too old is named with the version needed", () => {
    const [finding] = findings({ nodeVersion: "20.18.3" });
    expect(finding?.found).toBe("20.18.3, but 20.19 or later is needed");
    expect(findings({ nodeVersion: "20.19.0" })).toEqual([]);
  });

  test("no Docker blocks, unless up installs it", () => {
    const absent = { address: "unix:///x.sock", kind: "absent" as const, message: "connect ENOENT /x.sock" };
    const [finding] = findings({ engine: { ...absent, installable: false } });
    expect(finding?.found).toContain("no engine answers at unix:///x.sock: connect ENOENT");
    expect(finding?.remedy).toContain("Start Docker");
    expect(findings({ engine: { ...absent, installable: true } })).toEqual([]);
    const [warning] = findings({ engine: { ...absent, installable: true } }, "warning");
    expect(warning?.remedy).toContain("npm run up starts Docker");
  });

  test("a Docker that this user may not use is told apart from none", () => {
    const [finding] = findings({
      engine: {
        address: "unix:///var/run/docker.sock",
        kind: "denied",
        message: "connect EACCES",
        installable: false,
      },
    });
    expect(finding?.found).toContain("this user may not use it");
    expect(finding?.remedy).toContain("usermod -aG docker");
  });

  test("less than 6 GiB of memory blocks, with what there is and what is needed", () => {
    const [finding] = findings({ availableMemory: 5.5 * GiB });
    expect(finding?.found).toBe("5.5 GiB to be had, of 16.0 GiB, but 6.0 GiB are needed");
    expect(finding?.remedy).toContain("sparkWorkers 1");
    expect(findings({ availableMemory: 6 * GiB })).toEqual([]);
  });

  test("a nearly full disk blocks, by place; less is needed once the images are there", () => {
    const nearlyFull = [
      { purpose: "containers and images" as const, path: "/var/lib/docker", free: 4 * GiB },
    ];
    const [finding] = findings({ disks: nearlyFull });
    expect(finding?.check).toBe("Disk for containers and images");
    expect(finding?.found).toBe("4.0 GiB free at /var/lib/docker, but 15.0 GiB are needed");
    expect(finding?.remedy).toContain("docker system df");
    expect(findings({ disks: nearlyFull, engine: { ...engine, hasImages: true } })).toEqual([]);
  });

  test("a real disk is judged by the threshold given", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-checks-"));
    try {
      const { bavail, bsize } = await statfs(folder);
      const disks = [{ purpose: "project" as const, path: folder, free: bavail * bsize }];
      const enough = judge({ ...good, disks }, { ...needed, projectDisk: 1 });
      const tooLittle = judge({ ...good, disks }, { ...needed, projectDisk: Number.MAX_SAFE_INTEGER });
      expect(enough.filter(({ level }) => level === "blocking")).toEqual([]);
      expect(tooLittle.filter(({ level }) => level === "blocking").map(({ check }) => check)).toEqual([
        "Disk for project",
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("a taken port is named with its key, its holder and the command that changes it", () => {
    const [finding] = findings({
      ports: [
        { key: "airflowPort", port: 8081 },
        { key: "trinoPort", port: 8443, holder: "container keycloak" },
      ],
    });
    expect(finding?.found).toBe("8443 (trinoPort) is taken by container keycloak");
    expect(finding?.remedy).toContain("pulumi config set --stack dev lakestack:trinoPort 9443");
  });

  test("the port proposed is none that the stack has already", () => {
    const [finding] = findings({
      ports: [
        { key: "objectStorePort", port: 9000, holder: "php (process 7)" },
        { key: "other", port: 10000 },
      ],
    });
    expect(finding?.remedy).toContain("lakestack:objectStorePort 11000");
  });

  test("a lost passphrase blocks and says that destroy starts over", () => {
    for (const passphrase of ["missing", "wrong"] as const) {
      const [finding] = findings({ passphrase });
      expect(finding?.check).toBe("Passphrase");
      expect(finding?.found).toContain("Pulumi.dev.yaml");
      expect(finding?.remedy).toContain("npm run destroy");
    }
  });

  test("what an earlier clone left in Docker is named, unless the state knows it or is kept elsewhere", () => {
    const left = { ...engine, volumes: ["lakestack-dev-database", "lakestack-dev-object-store"] };
    const [finding] = findings({ engine: left });
    expect(finding?.found).toContain("lakestack-dev-database, lakestack-dev-object-store");
    expect(finding?.remedy).toContain("LAKESTACK_STACK");
    expect(findings({ engine: left, stateKnown: true })).toEqual([]);
    expect(findings({ engine: left, stateKnown: undefined })).toEqual([]);
  });

  test("the report puts each remedy below its finding, the columns aligned", () => {
    const text = report([
      { check: "Memory", level: "fine", found: "8 GiB" },
      { check: "Node.js", level: "blocking", found: "18", remedy: "Install 22." },
    ]);
    expect(text).toBe(["✔ Memory   8 GiB", "✘ Node.js  18", "           → Install 22."].join("\n"));
  });
});

describe("who holds a port", () => {
  let server: net.Server | undefined;
  afterEach(() => server?.close());

  async function listen(host: string): Promise<number> {
    const opened = (server = net.createServer());
    await new Promise<void>((resolve) => opened.listen(0, host, resolve));
    return (opened.address() as net.AddressInfo).port;
  }

  test("a port that this process listens at is taken, and this process is named", async () => {
    const port = await listen("127.0.0.1");
    expect(await isPortFree(port)).toBe(false);
    expect(await processAtPort(port)).toContain(`(process ${process.pid})`);
  });

  test("a listener on all addresses takes the loopback's port, too", async () => {
    expect(await isPortFree(await listen("0.0.0.0"))).toBe(false);
  });

  test("a port is free again when its listener has closed", async () => {
    const port = await listen("127.0.0.1");
    const closing = server;
    server = undefined;
    await new Promise((resolve) => closing?.close(resolve));
    expect(await isPortFree(port)).toBe(true);
    expect(await processAtPort(port)).toBeUndefined();
  });
});

import type { ContainerArgs, NetworkArgs } from "@pulumi/docker";
import { unknownValue } from "@pulumi/pulumi/runtime/rpc";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../toolchain/docker-plugin/duration";
import type { PropertyTable } from "../../toolchain/docker-plugin/property-table";
import { text, UNSUPPORTED } from "../../toolchain/docker-plugin/shape";
import { UNKNOWN } from "../../toolchain/plugin-protocol/provider";
import { CONTAINER, Harness, IMAGE, NETWORK, REGISTRY_IMAGE, TAG, VOLUME } from "./provider-subject";

const harness = new Harness();
const faultsOf = (news: object, type = CONTAINER) =>
  harness.faults(type, { name: "c", image: "i", ...news }).map(({ path, reason }) => `${path}: ${reason}`);

describe("what is refused, by name", () => {
  test("a property that the stand-in does not have", () => {
    const [fault] = faultsOf({ gpus: "all" });
    expect(fault).toMatch(/^gpus: not supported by the stand-in; supported: attach, .*volumes, wait, /);
  });

  test("a property that nobody has", () => {
    expect(faultsOf({ memmory: 1 })[0]).toMatch(/^memmory: not supported/);
  });

  test("a part of a property, with its path", () => {
    const [fault] = faultsOf({ uploads: [{ file: "/a", content: "x", owner: "0" }] });
    expect(fault).toMatch(/^uploads\[0\].owner: not supported by the stand-in; supported: content, /);
    expect(harness.faults(IMAGE, { name: "i", build: { context: ".", squash: true } })[0]?.path).toBe(
      "build.squash",
    );
  });

  test("a resource type", () => {
    expect(harness.faults("docker:index/service:Service", {})[0]?.reason).toBe(
      "docker:index/service:Service is not supported by the stand-in; supported: " +
        [NETWORK, VOLUME, IMAGE, CONTAINER, TAG, REGISTRY_IMAGE].join(", "),
    );
  });

  test("a setting of the provider", () => {
    expect(harness.provider.checkConfig({ host: "unix:///x", version: "5.2.0", sshOpts: "[]" })).toEqual([
      { path: "sshOpts", reason: "not supported by the stand-in; supported: host, registryAuth" },
    ]);
  });
});

describe("what is wrong, by path", () => {
  test.each([
    [{ image: undefined }, "image: required, but missing"],
    [{ memory: "1g" }, "memory: expected a whole number of 0 or more"],
    [{ restart: "sometimes" }, "restart: expected one of no, on-failure, always, unless-stopped"],
    [{ ports: [{ internal: 80 }, { external: 1 }] }, "ports[1].internal: required, but missing"],
    [
      { ports: [{ internal: 70000 }] },
      "ports[0].internal: expected a whole number of 1 or more and 65535 or less",
    ],
    [
      { healthcheck: { interval: "5 sec" } },
      'healthcheck.interval: expected a duration such as "5s" or "1m30s"',
    ],
    [{ envs: ["=x"] }, "envs[0]: expected a string that matches /^[^=]+/"],
    [
      { uploads: [{ file: "/a", content: "" }] },
      "uploads[0]: expected exactly one of content, contentBase64 and source, and it may not be empty",
    ],
    [
      { uploads: [{ file: "/a", content: "a", source: "b" }] },
      "uploads[0]: expected exactly one of content, contentBase64 and source, and it may not be empty",
    ],
  ])("%j", (news, fault) => {
    expect(faultsOf(news)).toEqual([fault]);
  });

  test("no fault repeats a value, which may be a secret", () => {
    const faults = faultsOf({
      uploads: [{ file: "hunter2", content: 5 }],
      envs: ["=hunter2"],
      memory: "hunter2",
    });
    expect(faults).toHaveLength(4);
    expect(faults.join()).not.toContain("hunter2");
  });

  test("a value that is not known yet is not wrong", () => {
    expect(UNKNOWN).toBe(unknownValue);
    expect(
      faultsOf({ memory: UNKNOWN, ports: UNKNOWN, uploads: [{ file: "/a", content: UNKNOWN }] }),
    ).toEqual([]);
  });
});

describe("what is filled in", () => {
  test("the official plugin's defaults, which are told apart from what the program gave", () => {
    const inputs = harness.inputs(CONTAINER, {
      name: "c",
      image: "i",
      ports: [{ internal: 80 }],
      wait: true,
    });
    expect(inputs).toMatchObject({
      mustRun: true,
      start: true,
      restart: "no",
      networkMode: "bridge",
      waitTimeout: 60,
      wait: true,
      removeVolumes: true,
      ports: [{ internal: 80, ip: "0.0.0.0", protocol: "tcp" }],
    });
    expect(inputs["__defaults"]).toContain("mustRun");
    expect(inputs["__defaults"]).not.toContain("wait");
  });

  test("a name, once and for all", () => {
    const first = harness.inputs(VOLUME, {});
    expect(first["name"]).toMatch(/^subject-[0-9a-f]{7}$/);
    const other = harness.provider.check(harness.subject(VOLUME), first, {}, Buffer.from("other seed"));
    expect(other.inputs["name"]).toBe(first["name"]);
    expect(harness.inputs(VOLUME, { name: "mine" }, first)["name"]).toBe("mine");
  });

  test("Go's form of a duration", () => {
    const { healthcheck } = harness.inputs(CONTAINER, {
      image: "i",
      healthcheck: { interval: "60s", timeout: "1500ms" },
    });
    expect(healthcheck).toMatchObject({ interval: "1m0s", timeout: "1.5s", startPeriod: "0s", retries: 0 });
  });
});

test("durations are read and written as Go does", () => {
  for (const form of ["0s", "5s", "1m0s", "1m30s", "2h0m0s", "1.5s", "250ms", "1h0m0.5s"]) {
    expect(formatDuration(parseDuration(form) ?? NaN)).toBe(form);
  }
  expect(parseDuration("90s")).toBe(parseDuration("1m30s"));
  expect(parseDuration("ten")).toBeUndefined();
});

test("a table that differs from the official declarations does not compile", () => {
  type Networks = PropertyTable<NetworkArgs, never, never>;
  type Containers = PropertyTable<ContainerArgs, never, never>;
  // @ts-expect-error every property must be there
  const missing: Pick<Networks, "name" | "driver"> = { name: UNSUPPORTED };
  // @ts-expect-error the declaration says that it is required
  const optional: Containers["image"] = { shape: text(), change: "replace" };
  // @ts-expect-error the declaration says that it is a boolean
  const other: Pick<Containers, "tty"> = { tty: { shape: text(), change: "replace" } };
  expect([missing, optional, other]).toHaveLength(3);
});

import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readConfig } from "../../infra/config";
import { faultsIn } from "./config-faults";

interface Declared {
  config: Record<string, { type: string; default: string | number | boolean; description: string }>;
}

const declared = parse(readFileSync("Pulumi.yaml", "utf8")) as Declared;

/** The defaults that Pulumi takes from Pulumi.yaml, with some values set. */
function configured(values: Record<string, string> = {}): pulumi.Config {
  const defaults = Object.entries(declared.config).map(([key, { default: value }]) => [key, String(value)]);
  const all = { ...(Object.fromEntries(defaults) as Record<string, string>), ...values };
  pulumi.runtime.setAllConfig(Object.fromEntries(Object.entries(all).map(([k, v]) => [`lakestack:${k}`, v])));
  return new pulumi.Config("lakestack");
}

const faultsOf = (values: Record<string, string>) => faultsIn(() => readConfig(configured(values)));

describe("the stack's configuration", () => {
  it("reads every key that Pulumi.yaml declares, and no other; those of AWS are read where they are used", () => {
    const keys = Object.keys(declared.config).filter((key) => !key.startsWith("aws"));
    expect(Object.keys(readConfig(configured())).sort()).toEqual([...keys, "oidcGroups", "users"].sort());
  });

  it("accepts its own defaults and gives them their types", () => {
    const config = readConfig(configured());
    expect(config.trinoPort).toBe(8443);
    expect(config.publishCatalog).toBe(false);
    expect(config.trinoUser).toBe("admin");
  });

  it("says what every key means", () => {
    for (const [key, { description }] of Object.entries(declared.config)) {
      expect(description, key).toMatch(/\w.*\.$/);
    }
  });

  it("reports all faults at once, each with key, value, what was expected and how to set it", () => {
    const message = faultsOf({
      trinoPort: "70000",
      sparkWorkers: "0",
      trinoUser: "x",
      publishCatalog: "maybe",
    });
    expect(message).toContain("4 faults");
    expect(message).toContain('lakestack:trinoPort is "70000", expected a whole number from 1 to 65535');
    expect(message).toContain("pulumi config set trinoPort VALUE");
    expect(message).toContain('lakestack:sparkWorkers is "0"');
    expect(message).toContain('lakestack:trinoUser is "x"');
    expect(message).toContain('lakestack:publishCatalog is "maybe", expected true or false');
  });

  it("refuses less memory than a service can start with", () => {
    expect(faultsOf({ trinoMemory: "512" })).toContain("a whole number from 1536 to 1048576 (MiB)");
  });

  it("refuses two services at one port and names both", () => {
    expect(faultsOf({ airflowPort: "8443" })).toContain(
      'lakestack:airflowPort is "8443", expected a port other than 8443, which trinoPort takes',
    );
  });

  it("counts the port of every Spark worker", () => {
    expect(faultsOf({ sparkWorkers: "3", airflowPort: "5053" })).toContain("5053");
    expect(readConfig(configured({ sparkWorkers: "2", airflowPort: "5053" })).airflowPort).toBe(5053);
  });

  it("opens no door without TLS unless the network is said to be trusted", () => {
    const plain = { airflowDoor: "ingress", airflowHost: "airflow.example.org" };
    expect(faultsOf(plain)).toMatch(
      /lakestack:trustedNetwork is "false", expected true, for airflowDoor would be without TLS/,
    );
    expect(readConfig(configured({ ...plain, trustedNetwork: "true" })).trustedNetwork).toBe(true);
    const withTls = {
      airflowDoor: "ingress",
      airflowHost: "airflow.example.org",
      certificateIssuer: "public",
    };
    expect(readConfig(configured({ ...withTls, trinoDoor: "load-balancer" })).trustedNetwork).toBe(false);
  });

  it.each([
    ["airflowDoor", "airflowHost"],
    ["objectStoreDoor", "objectStoreHost"],
  ])("asks for the name that the certificate of %s is for, where it needs one", (door, host) => {
    for (const kind of ["load-balancer", "node-port"]) {
      expect(faultsOf({ [door]: kind })).toContain(
        `lakestack:${host} is "", expected the name or address that clients call the door by (${door})`,
      );
      expect(readConfig(configured({ [door]: kind, [host]: "lake.example.org" }))).toHaveProperty(door, kind);
      expect(readConfig(configured({ [door]: kind, trustedNetwork: "true" }))).toHaveProperty(door, kind);
    }
  });

  it("refuses an unknown platform and lists the known ones", () => {
    expect(faultsOf({ platform: "nomad" })).toContain(
      'lakestack:platform is "nomad", expected one of docker',
    );
  });
});

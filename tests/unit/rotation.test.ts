import { X509Certificate } from "node:crypto";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chosenAmong, command, readRequest, report, unavailable } from "../../commands/rotate";
import { isRotating, keepRotated, type RotatingStack } from "../../commands/rotation";
import { Settings } from "../../commands/settings";
import { newValues, pendingNames, restartsFor, rotatedKeys, rotations } from "../../infra/rotation";
import { documentKey, rotationKey } from "../../infra/secret-keys";
import { completeRotation, completeSecrets, loadSecrets, type SecretValues } from "../../infra/secrets";
import { terminalReporter } from "../../toolchain/index";

const hosts = ["localhost", "trino"];
let known: SecretValues;
beforeAll(async () => {
  known = await completeSecrets({}, hosts);
});

const all = () => [...rotations.keys()];

/** Names of the secrets that are not what they were. */
const changed = (values: Partial<SecretValues>) =>
  (Object.keys(known) as (keyof SecretValues)[]).filter(
    (key) => ({ ...known, ...values })[key] !== known[key],
  );

describe("new values", () => {
  it("of all secrets leave none as it was", async () => {
    const pending = await newValues(known, all());
    expect(changed(pending)).toEqual(Object.keys(known));
    expect(pendingNames(pending)).toEqual(all());
    const server = new X509Certificate(pending.trinoCertificate ?? "");
    expect(server.verify(new X509Certificate(pending.caCertificate ?? "").publicKey)).toBe(true);
    expect(hosts.map((host) => server.checkHost(host))).toEqual(hosts);
  });

  it("of one secret leave the others, and change what means nothing without it", async () => {
    expect(changed(await newValues(known, ["trinoPassword"]))).toEqual([
      "trinoPassword",
      "trinoPasswordSalt",
    ]);
    expect(changed(await newValues(known, ["airflowFernetKey"]))).toEqual(["airflowFernetKey"]);
    expect(changed(await newValues(known, ["trinoCertificate"]))).toEqual(["trinoCertificate", "trinoKey"]);
    expect(rotatedKeys(["caCertificate"])).toEqual([
      "caCertificate",
      "caKey",
      "trinoCertificate",
      "trinoKey",
      "databaseCertificate",
      "databaseKey",
      "databaseAuthority",
      "gatewayCertificate",
      "gatewayKey",
      "gatewayAuthority",
    ]);
  });

  it("stay as they are when an interrupted rotation is asked for again, and others come beside them", async () => {
    const begun = await newValues(known, ["airflowFernetKey", "databasePassword"]);
    expect(await newValues(known, ["airflowFernetKey"], begun)).toEqual(begun);
    const more = await newValues(known, all(), begun);
    expect(more).toMatchObject(begun);
    expect(changed(more)).toEqual(Object.keys(known));
    expect(await newValues(known, [], begun)).toEqual(begun);
  });
});

describe("the program, while values are on their way", () => {
  it("uses the new ones, and keeps old and new as they are", async () => {
    const pending = await newValues(known, ["airflowFernetKey", "trinoCertificate"]);
    const completed = await completeRotation(known, pending, hosts);
    expect(completed.values).toEqual({ ...known, ...pending });
    // Byte for byte, or each `up` would write the documents anew.
    expect(JSON.stringify(completed.known)).toBe(JSON.stringify(known));
    expect(JSON.stringify(completed.pending)).toBe(JSON.stringify(pending));
  });

  it("renews a certificate that is on its way for other names, which is then the one that counts", async () => {
    const pending = await newValues(known, ["trinoCertificate"]);
    const named = await completeRotation(known, pending, [...hosts, "trino.example.org"]);
    expect(named.known).toEqual(known);
    const certificate = new X509Certificate(named.pending.trinoCertificate ?? "");
    expect(certificate.checkHost("trino.example.org")).toBe("trino.example.org");
  });
});

describe("what the services are given while a rotation is under way", () => {
  const given = async (configuration: Record<string, object>) => {
    const values = Object.entries(configuration).map(([key, value]) => [
      `lakestack:${key}`,
      JSON.stringify(value),
    ]);
    pulumi.runtime.setAllConfig(Object.fromEntries(values) as Record<string, string>);
    await pulumi.runtime.setMocks({
      newResource: ({ name, inputs }) => ({ id: name, state: inputs as object }),
      call: ({ inputs }) => inputs as object,
    });
    // Neither document has to be written: that would need the pulumi command.
    const secrets = await loadSecrets(hosts);
    const plain = (value: pulumi.Output<string> | undefined) =>
      value && new Promise((resolve) => value.apply(resolve));
    return {
      fernet: await plain(secrets.airflowFernetKey),
      former: await plain(secrets.formerFernetKey),
      database: await plain(secrets.databasePassword),
    };
  };

  it("are the new values, and the old Fernet key beside the new one", async () => {
    const pending = await newValues(known, ["airflowFernetKey", "databasePassword"]);
    expect(await given({ [documentKey]: known, [rotationKey]: pending })).toEqual({
      fernet: pending.airflowFernetKey,
      former: known.airflowFernetKey,
      database: pending.databasePassword,
    });
  });

  it("are the kept values alone when none is", async () => {
    expect(await given({ [documentKey]: known })).toEqual({
      fernet: known.airflowFernetKey,
      former: undefined,
      database: known.databasePassword,
    });
  });
});

/** A stack's configuration, which a fault can keep from being written. */
class Configuration implements RotatingStack {
  readonly values = new Map<string, string>();
  /** Writes that still succeed. */
  writes = Infinity;
  readonly state = () =>
    Promise.resolve({
      resources: ["trino-live", "airflow-api", "airflow-api-live"].map((name) => ({
        urn: `urn:pulumi:dev::lakestack::docker:index/container:Container::${name}`,
        type: "docker:index/container:Container",
      })),
      pendingOperations: [],
    });

  config(key: string): Promise<string | undefined> {
    return Promise.resolve(this.values.get(key));
  }

  async setSecret(key: string, value: string): Promise<void> {
    await this.write(() => this.values.set(key, value));
  }

  async removeConfig(key: string): Promise<void> {
    await this.write(() => this.values.delete(key));
  }

  /** What the program would give the services: each secret's value. */
  effective(): Partial<SecretValues> {
    const read = (key: string) => JSON.parse(this.values.get(key) ?? "{}") as Partial<SecretValues>;
    return { ...read(documentKey), ...read(rotationKey) };
  }

  private write(change: () => void): Promise<void> {
    if (this.writes-- <= 0) return Promise.reject(new Error("power lost"));
    change();
    return Promise.resolve();
  }
}

describe("the end of a rotation", () => {
  const rotating = async (names = all()) => {
    const stack = new Configuration();
    const pending = await newValues(known, names);
    stack.values.set(documentKey, JSON.stringify(known));
    stack.values.set(rotationKey, JSON.stringify(pending));
    return { stack, wanted: { ...known, ...pending } };
  };

  it("makes the new values the stack's secrets, and forgets the old ones", async () => {
    const { stack, wanted } = await rotating();
    expect(await keepRotated(stack)).toMatch(/::airflow-api-live$/);
    expect(JSON.parse(stack.values.get(documentKey) ?? "")).toEqual(wanted);
    expect([...stack.values.keys()]).toEqual([documentKey]);
  });

  it.each([0, 1])(
    "interrupted after %i writes changes no value, and the next time is completed",
    async (writes) => {
      const { stack, wanted } = await rotating();
      stack.writes = writes;
      await expect(keepRotated(stack)).rejects.toThrow("power lost");
      expect(stack.effective()).toEqual(wanted);
      expect(stack.values.has(rotationKey), "so that it is seen to be unfinished").toBe(true);

      stack.writes = Infinity;
      await keepRotated(stack);
      expect(stack.effective()).toEqual(wanted);
      expect(stack.values.has(rotationKey)).toBe(false);
    },
  );

  it("leaves the carrier of Airflow's old key alone where that key has not changed", async () => {
    const { stack } = await rotating(["trinoPassword"]);
    expect(await keepRotated(stack)).toBeUndefined();
  });

  it("is nothing where no rotation is under way", async () => {
    const stack = new Configuration();
    stack.values.set(documentKey, JSON.stringify(known));
    stack.writes = 0;
    expect(await keepRotated(stack)).toBeUndefined();
  });
});

describe("npm run rotate", () => {
  it("takes names, each once, or all but some", () => {
    expect(readRequest(["trinoPassword", "trinoPassword"], [], false).names).toEqual(["trinoPassword"]);
    const but = readRequest(["all"], ["caCertificate", "trinoPassword"], false).names;
    expect(but).toEqual(all().filter((name) => name !== "caCertificate" && name !== "trinoPassword"));
  });

  it("refuses what is no secret with the list of those that are", () => {
    expect(() => readRequest(["password"], [], false)).toThrow('There is no secret "password".');
    try {
      readRequest(["all"], ["nothing"], false);
    } catch (error) {
      expect((error as { remedy: string }).remedy).toContain(all().join(", "));
    }
  });

  it("says which name a part of a secret goes by", () => {
    expect(() => readRequest(["caKey"], [], false)).toThrow("caKey changes together with caCertificate.");
    expect(() => readRequest(["trinoPasswordSalt"], [], false)).toThrow("together with trinoPassword");
  });

  it("refuses names beside all, and exceptions without it", () => {
    expect(() => readRequest(["all", "trinoPassword"], [], false)).toThrow("nothing to name");
    expect(() => readRequest(["trinoPassword"], ["airflowPassword"], false)).toThrow("--except");
  });

  it("tells what was done without a value", async () => {
    const pending = await newValues(known, all());
    const text = report({
      stack: "mine",
      names: all(),
      restarted: ["trino", "database"],
      took: "2 min 05 s",
      onDocker: true,
    });
    expect(text).toContain("Restarted, once each: database, trino.");
    expect(text).toContain("pulumi stack output trinoPassword --show-secrets --stack mine");
    expect(text).toContain("give each of them the new one");
    for (const value of Object.values({ ...known, ...pending })) expect(text).not.toContain(value);
  });

  it("counts a service once, however many of its secrets change", () => {
    expect(restartsFor(["airflowFernetKey", "airflowJwtSecret", "airflowPassword"]).sort()).toEqual([
      "airflow-api",
      "airflow-dag-processor",
      "airflow-scheduler",
      "airflow-triggerer",
    ]);
  });
});

describe("by the stack's settings", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-rotation-"));
    await copyFile("Pulumi.yaml", path.join(folder, "Pulumi.yaml"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function settings(lines: string): Promise<Settings> {
    await writeFile(path.join(folder, "Pulumi.mine.yaml"), `config:\n${lines}`);
    return Settings.read("mine", folder);
  }

  it("a chosen password is found, and a rotation that is under way", async () => {
    const plain = await settings("  lakestack:platform: docker\n");
    expect(chosenAmong(all(), plain)).toEqual([]);
    expect(isRotating(plain)).toBe(false);
    const chosen = await settings(
      "  lakestack:trinoPassword:\n    secure: v1:x\n  lakestack:rotation:\n    secure: v1:y\n",
    );
    expect(chosenAmong(all(), chosen)).toEqual(["trinoPassword"]);
    expect(chosenAmong(["airflowPassword"], chosen)).toEqual([]);
    expect(isRotating(chosen)).toBe(true);
  });

  it("what others keep is theirs to change", async () => {
    const names = async (lines: string) => {
      const found = await settings(lines);
      return all().filter((name) => unavailable(name, found) !== undefined);
    };
    const store = ["objectStorePassword", "catalogObjectStoreKey", "sparkObjectStoreKey"];
    expect(await names("  lakestack:platform: docker\n  lakestack:trinoCertificateFile: ''\n")).toEqual([]);
    expect((await names("  lakestack:platform: aws\n")).sort()).toEqual(
      [...store, "databasePassword"].sort(),
    );
    expect(await names("  lakestack:objectStoreEndpoint: https://s3.example.org\n")).toEqual(
      expect.arrayContaining(store),
    );
    expect(await names("  lakestack:databaseAddress: db.example.org:5432\n")).toContain("databasePassword");
    expect(await names("  lakestack:trinoIssuer: internal\n")).toEqual(
      expect.arrayContaining(["trinoCertificate", "caCertificate"]),
    );
  });

  it("without a name, it only shows what there is", async () => {
    const lines: string[] = [];
    const { log } = console;
    console.log = (text: string) => lines.push(text);
    try {
      const signal = new AbortController().signal;
      expect(await command.run([], { stack: "no-such", reporter: terminalReporter(), signal })).toBe(0);
    } finally {
      console.log = log;
    }
    const text = lines.join("\n");
    for (const name of all()) expect(text).toContain(name);
    expect(text).toMatch(/^databasePassword .* database$/m);
    expect(text).toMatch(/^trinoPassword .* none: taken while it runs$/m);
    expect(text).toMatch(/^sparkObjectStoreKey .* spark, airflow$/m);
  });
});

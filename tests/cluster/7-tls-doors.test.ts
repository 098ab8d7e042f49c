import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { beforeAll, describe, expect, it } from "vitest";
import { shownAt } from "../../commands/certificate-facts";
import { daysField } from "../../infra/services/certificate-watch";
import { createAuthority } from "../../infra/tls";
import { execIn } from "../../toolchain/cluster/container-exec";
import { expectSuccess } from "../e2e/processes";
import { until } from "../e2e/until";
import { node } from "./cluster";
import {
  airflowUrl as plainAirflowUrl,
  Lakehouse,
  namespace,
  pods,
  storeUrl as plainStoreUrl,
  trinoUrl,
} from "./lakehouse";

let lakehouse: Lakehouse;

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
});
interface Answer {
  status: number;
  body: string;
  cookies: string[];
}

/** How a client fares that trusts an authority and no other: the answer, or how the connection ended. */
function ask(address: string, ca: string | undefined): Promise<Answer | string> {
  return new Promise((resolve) => {
    const { request } = address.startsWith("https:") ? https : http;
    const asked = request(address, { ca, agent: false, timeout: 30_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => {
        resolve({
          status: response.statusCode ?? 0,
          body,
          cookies: response.headers["set-cookie"] ?? [],
        });
      });
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.on("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    asked.end();
  });
}

async function answered(address: string, ca: string): Promise<Answer> {
  const answer = await ask(address, ca);
  if (typeof answer === "string") throw new Error(`${address}: ${answer}`);
  return answer;
}

const configure = async (values: Record<string, string>) => {
  for (const [key, value] of Object.entries(values)) await lakehouse.pulumi("config", "set", key, value);
};

describe("with gateways", () => {
  const address = "127.0.0.1";
  const airflowUrl = plainAirflowUrl.replace("http:", "https:");
  const storeUrl = plainStoreUrl.replace("http:", "https:");
  let authority: string;

  beforeAll(async () => {
    // The new doors are at the numbers of the old ones, which have to be free.
    await configure({ airflowDoor: "none", objectStoreDoor: "none", trustedNetwork: "false" });
    await lakehouse.pulumi("up", "--yes", "--skip-preview");
    await configure({ airflowDoor: "load-balancer", airflowHost: address });
    await configure({ objectStoreDoor: "load-balancer", objectStoreHost: address });
    await lakehouse.pulumi("up", "--yes", "--skip-preview");
    authority = (await lakehouse.output("gatewayAuthority")).trim();
  });

  it("Airflow's page and API answer over TLS, and their session is for TLS only", async () => {
    const page = await until("the page", 120, () => answered(`${airflowUrl}/`, authority));
    expect(page.status).toBe(200);
    expect(page.body).toContain("<title>Airflow</title>");
    const version = await answered(`${airflowUrl}/api/v2/version`, authority);
    expect(JSON.parse(version.body)).toHaveProperty("version");
    const { status, cookies } = await answered(`${airflowUrl}/auth/login/`, authority);
    expect(status).toBe(200);
    expect(cookies.length).toBeGreaterThan(0);
    for (const cookie of cookies) expect(cookie).toMatch(/; *Secure/i);
  });

  it("the object store takes what an S3 client signs, and gives it back", async () => {
    const { objectStoreUser, objectStorePassword } = await lakehouse.outputs();
    const client = new S3Client({
      endpoint: storeUrl,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: objectStoreUser, secretAccessKey: objectStorePassword },
      requestHandler: { httpsAgent: new https.Agent({ ca: authority }) },
    });
    const object = { Bucket: "source", Key: "doors/through the door" };
    const body = "a line of text\n".repeat(100_000);
    await client.send(new PutObjectCommand({ ...object, Body: body }));
    const got = await client.send(new GetObjectCommand(object));
    expect((await got.Body?.transformToString()) === body).toBe(true);
    await client.send(new DeleteObjectCommand(object));
    client.destroy();
  });

  it.each([
    ["Airflow", plainAirflowUrl, "/api/v2/version"],
    ["the object store", plainStoreUrl, "/minio/health/live"],
  ])("%s answers neither plain HTTP nor those who trust another authority", async (_, plain, path) => {
    const secure = plain.replace("http:", "https:") + path;
    expect(await ask(secure, authority)).toMatchObject({ status: 200 });
    expect(await ask(plain + path, undefined)).toMatch(/^(ECONNRESET|socket hang up)/);
    const another = await createAuthority("Somebody else's authority");
    expect(await ask(secure, another.certificate)).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    expect(await ask(secure.replace(address, "localhost"), authority)).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
  });

  it("takes another certificate while it runs: what is asked meanwhile is answered", async () => {
    const pod = async () => (await pods("airflow-gateway")).map(({ metadata }) => metadata.uid);
    const before = await pod();
    const held = await shownAt(airflowUrl, authority);
    // A further name, in place of a renewal.
    await configure({ objectStoreHost: "s3.example.org" });
    const up = lakehouse.startPulumi("up", "--yes", "--skip-preview");
    const over = new AbortController();
    const asked = (async () => {
      const statuses = new Set<unknown>();
      while (!over.signal.aborted) {
        const answer = await ask(`${airflowUrl}/api/v2/version`, authority);
        statuses.add(typeof answer === "string" ? answer : answer.status);
        await sleep(100);
      }
      return statuses;
    })();
    try {
      expectSuccess("pulumi up", await up.finished);
      await until("the other certificate", 180, async () => {
        const shown = await shownAt(airflowUrl, authority);
        return shown !== undefined && shown.certificate.serial !== held?.certificate.serial;
      });
    } finally {
      over.abort();
    }
    expect([...(await asked)]).toEqual([200]);
    expect(await pod()).toEqual(before);
  });
});

describe("what asks Trino for its certificate, for an alarm", () => {
  const watch = readFileSync("infra/services/certificate-watch.sh", "utf8");
  const run = (host: string) => {
    const line = `timeout 5 bash -s ${host} 8443 /etc/trino/ca.pem 2>&1`;
    return execIn(
      node,
      ["kubectl", "-n", namespace, "exec", "-i", "deployment/trino", "--", "bash", "-c", line],
      {
        input: Readable.from([Buffer.from(watch)]),
      },
    );
  };

  it("writes the days that are left of the one that Trino shows, and none of one that is not for its name", async () => {
    const { caCertificate } = await lakehouse.outputs();
    const shown = await shownAt(trinoUrl, caCertificate);
    const { stdout } = await run("localhost");
    expect(JSON.parse(stdout)).toEqual({ [daysField]: shown?.certificate.days, server: "localhost" });
    expect((await run("127.0.0.2")).stdout).toMatch(
      /^127\.0\.0\.2:8443 shows no certificate that clients trust/,
    );
  });
});

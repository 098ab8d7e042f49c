import * as tls from "node:tls";
import { expect, test } from "vitest";
import { outputs } from "./lakestack";

const { hostname, port } = new URL(outputs.trinoUrl);

/** Protocol and suite that Trino's door agrees to, or how it refuses. */
function offer(
  options: Pick<tls.ConnectionOptions, "minVersion" | "maxVersion" | "ciphers">,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = tls.connect({
      host: hostname,
      port: Number(port),
      ca: outputs.caCertificate,
      servername: hostname,
      ...options,
    });
    socket.once("secureConnect", () => {
      resolve(`${socket.getProtocol() ?? "?"} ${socket.getCipher().name}`);
      socket.destroy();
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
  });
}

const only = (version: tls.SecureVersion) => ({ minVersion: version, maxVersion: version });
/** Suites of TLS 1.2 and before that this client knows, weak ones too. */
const older = tls.getCiphers().filter((name) => !name.startsWith("tls_"));

test.each(["TLSv1", "TLSv1.1"] as const)("%s is refused by the server", async (version) => {
  const answer = await offer({ ...only(version), ciphers: "ALL:@SECLEVEL=0" });
  expect(answer).toMatch(
    /^(ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION|ERR_SSL_.*ALERT_HANDSHAKE_FAILURE|ECONNRESET)$/,
  );
});

test("TLS 1.3 is spoken", async () => {
  expect(await offer(only("TLSv1.3"))).toMatch(/^TLSv1\.3 TLS_/);
});

test("of TLS 1.2 only suites with forward secrecy and authenticated encryption are taken", async () => {
  expect(older.length).toBeGreaterThan(20);
  const taken: string[] = [];
  for (const name of older) {
    const suite = name.toUpperCase();
    const answer = await offer({ ...only("TLSv1.2"), ciphers: `${suite}:@SECLEVEL=0` });
    if (answer.startsWith("TLSv1.2 ")) taken.push(suite);
  }
  expect(taken.sort()).toEqual([
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
  ]);
});

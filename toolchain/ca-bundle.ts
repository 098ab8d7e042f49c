import { existsSync, readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";

/** Where systems keep the certificates they trust, as one PEM file. */
const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * The certificates that this host trusts, in PEM: SSL_CERT_FILE, else the system's, and NODE_EXTRA_CA_CERTS. On a network
 * that inspects TLS they include the inspector's, without which nothing can be downloaded inside a container. Empty if
 * there are none.
 */
export function hostCertificates(): string {
  const extra = process.env["NODE_EXTRA_CA_CERTS"];
  return [systemCertificates(), extra && existsSync(extra) ? readFileSync(extra, "utf8") : ""]
    .filter((bundle) => bundle !== "")
    .join("\n");
}

function systemCertificates(): string {
  const chosen = process.env["SSL_CERT_FILE"];
  if (chosen && existsSync(chosen)) return readFileSync(chosen, "utf8");
  if (process.platform === "darwin") return macCertificates();
  const bundle = systemBundles.find((file) => existsSync(file));
  return bundle === undefined ? "" : readFileSync(bundle, "utf8");
}

/** Certificates that an administrator has added are in the keychain only, and not in /etc/ssl. */
function macCertificates(): string {
  const keychains = [
    "/System/Library/Keychains/SystemRootCertificates.keychain",
    "/Library/Keychains/System.keychain",
  ];
  return execFileSync("security", ["find-certificate", "-a", "-p", ...keychains], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
}

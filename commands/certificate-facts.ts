import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import * as path from "node:path";
import { connect } from "node:tls";
import {
  authorityWarning,
  authorityWarningDays,
  certificatesIn,
  remainingDays,
  renewalDays,
} from "../infra/tls";
import { projectFolder, toolFolder } from "../toolchain/index";
import { table } from "./table";

/** Where clients find the authority that Trino's certificate is signed by. */
export const caFile = (stack: string) =>
  path.join(toolFolder, stack === "dev" ? "ca.pem" : `ca-${stack}.pem`);

/** A certificate, as far as people want to know it. */
export interface CertificateFacts {
  kind: "server" | "authority";
  /** Names that clients may call the server by; the authority's own name. */
  holder: string;
  issuer: string;
  /** Whole days that remain; negative if it has ended. */
  days: number;
  end: Date;
  serial: string;
}

function facts(kind: CertificateFacts["kind"], certificate: X509Certificate): CertificateFacts {
  const names = (certificate.subjectAltName ?? "").replaceAll(/\b(DNS|IP Address):/g, "");
  return {
    kind,
    holder: kind === "server" && names !== "" ? names : nameIn(certificate.subject),
    issuer: nameIn(certificate.issuer),
    days: remainingDays(certificate.toString()),
    end: new Date(certificate.validTo),
    serial: certificate.serialNumber,
  };
}

/** Common name, or all of a name that has none. */
const nameIn = (distinguished: string) =>
  /^CN=(.*)$/m.exec(distinguished)?.[1] ?? distinguished.replaceAll("\n", ", ");

/** What a server shows, from PEM. */
export const serverFacts = (pem: string) => facts("server", new X509Certificate(pem));

/** The authorities that clients trust, one or more in a PEM file. */
export const authorityFacts = (pem: string) =>
  certificatesIn(pem).map((each) => facts("authority", new X509Certificate(each)));

/** Certificates as a table, one a line. */
export const certificateTable = (certificates: readonly CertificateFacts[]) =>
  table(
    ["certificate", "for", "issuer", "days left", "until"],
    certificates.map(({ kind, holder, issuer, days, end }) => [
      kind === "server" ? "Trino" : "authority",
      holder,
      issuer,
      days < 0 ? "ended" : String(days),
      end.toISOString().slice(0, 10),
    ]),
  );

/**
 * What has to be done soon, one text a certificate that ends.
 *
 * @param own the file that it comes from, if the stack does not make it.
 */
export function warnings(certificates: readonly CertificateFacts[], own = ""): string[] {
  return certificates.flatMap(({ kind, holder, days }) => {
    if (own !== "")
      return days < renewalDays
        ? [`The certificate of ${holder} ends in ${days} days: put another into ${own}, then npm run up.`]
        : [];
    if (kind === "authority") return days < authorityWarningDays ? [authorityWarning(days)] : [];
    if (days >= renewalDays) return [];
    const end = days < 0 ? "has ended" : `ends in ${days} days`;
    return [`Trino's certificate ${end}. npm run up renews it, as does npm run certificates -- --renew.`];
  });
}

/** The certificate that a server shows, and why a client would not trust it, if it would not. */
export interface Shown {
  certificate: CertificateFacts;
  distrust?: string;
}

/** Patience with a server that does not answer, ms. */
const patience = 5000;

/**
 * Asks a server for its certificate, as a client does.
 *
 * @param ca PEM of the authorities that the client trusts.
 * @returns nothing if no TLS server answers there.
 */
export function shownAt(url: string, ca: string | undefined): Promise<Shown | undefined> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({
      host: hostname,
      port: Number(port || 443),
      // An address is no name to ask for.
      servername: isIP(hostname) === 0 ? hostname : "",
      ca,
      // What it shows is wanted, whoever signed it; nothing is sent.
      rejectUnauthorized: false,
      timeout: patience,
    });
    const end = (shown?: Shown) => {
      socket.destroy();
      resolve(shown);
    };
    socket.once("secureConnect", () => {
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined) {
        end();
        return;
      }
      const reason = socket.authorizationError as Error | string | null;
      end({
        certificate: facts("server", certificate),
        distrust: socket.authorized ? undefined : reason instanceof Error ? reason.message : String(reason),
      });
    });
    socket.once("timeout", () => {
      end();
    });
    socket.once("error", () => {
      end();
    });
  });
}

/**
 * What Trino shows at its door now, and the authority that this machine's clients are given.
 *
 * @param file of that authority: `ca.pem`. Not there if the stack was brought up by `pulumi up` alone.
 * @param own the file that the certificate comes from, if the stack does not make it.
 * @returns lines to print; none if Trino does not answer.
 */
export async function certificateReport(url: string, file: string, own = ""): Promise<string[]> {
  const ca = await readFile(file, "utf8").catch(() => undefined);
  const shown = await shownAt(url, ca);
  if (shown === undefined) return [];
  const certificates = [shown.certificate, ...(ca === undefined ? [] : authorityFacts(ca))];
  const name = path.relative(projectFolder, file);
  return [
    certificateTable(certificates),
    ...warnings(certificates, own),
    ...(ca === undefined || shown.distrust === undefined
      ? []
      : [`Clients with ${name} do not trust Trino: ${shown.distrust}. npm run up writes that file anew.`]),
  ];
}

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { type CatalogCaller, catalogCallers } from "./catalog-access";
import { generateTokenKey, isTokenGood, signToken } from "./catalog-tokens";
import { databaseHost } from "./connections";
import type { OwnCertificate } from "./own-certificate";
import { generatePassword, generateSalt, leastPasswordLength } from "./password";
import { documentKey, rotationKey } from "./secret-keys";
import {
  authorityWarning,
  authorityWarningDays,
  covers,
  createAuthority,
  createCertificate,
  hostsOf,
  remainingDays,
  renewalDays,
} from "./tls";

/** Every secret of a stack. All are generated; those that people type can be set by configuration. */
export interface SecretValues {
  trinoPassword: string;
  airflowPassword: string;
  objectStorePassword: string;
  /** Salts the hash in Trino's password file, so that it is the same at every `up`. */
  trinoPasswordSalt: string;
  /** Airflow's own login to Trino. */
  airflowTrinoPassword: string;
  airflowTrinoPasswordSalt: string;
  /** Trino's nodes recognise each other by it. */
  trinoInternalSecret: string;
  databasePassword: string;
  catalogDatabasePassword: string;
  airflowDatabasePassword: string;
  catalogObjectStoreKey: string;
  sparkObjectStoreKey: string;
  lineageObjectStoreKey: string;
  auditObjectStoreKey: string;
  /** By which the keeper of the audit log knows who tells it something. */
  auditToken: string;
  sparkAuthenticationSecret: string;
  airflowFernetKey: string;
  airflowApiSecretKey: string;
  airflowJwtSecret: string;
  /** Signs the tokens by which the catalog knows its callers. The catalog has its public half only. */
  catalogTokenKey: string;
  trinoCatalogToken: string;
  sparkCatalogToken: string;
  outsideCatalogToken: string;
  caCertificate: string;
  caKey: string;
  trinoCertificate: string;
  trinoKey: string;
  /** Of the stack's own database. */
  databaseCertificate: string;
  databaseKey: string;
  /** PEM of the authority that has signed that one, which Trino's need not be. */
  databaseAuthority: string;
  /** Of the doors of services that have no TLS of their own; not there without such doors. */
  gatewayCertificate?: string;
  gatewayKey?: string;
  /** PEM of the authority that has signed that one. */
  gatewayAuthority?: string;
}

/** The same, each marked as a secret. */
export type Secrets = { [K in keyof SecretValues]: pulumi.Output<string> } & {
  /** What Airflow's database may still be encrypted with, while a rotation is under way. */
  formerFernetKey?: pulumi.Output<string>;
};

/** Secrets that a person types and may want to choose: `pulumi config set --secret KEY`. */
export const chosenSecrets = ["trinoPassword", "airflowPassword", "objectStorePassword"] as const;

/** Which secret is the token of a caller of the catalog. */
export const catalogTokens = {
  trino: "trinoCatalogToken",
  spark: "sparkCatalogToken",
  outside: "outsideCatalogToken",
} as const satisfies Record<CatalogCaller, keyof SecretValues>;

/**
 * The secrets with another certificate for Trino, for the same names.
 *
 * @param authority another authority, too: no client then trusts Trino until it has the new one.
 */
export const withNewCertificate = (known: SecretValues, authority: boolean): Promise<SecretValues> =>
  completeSecrets(
    { ...known, trinoKey: "", ...(authority ? { caKey: "" } : {}) },
    hostsOf(known.trinoCertificate),
    known.gatewayCertificate === undefined ? [] : hostsOf(known.gatewayCertificate),
  );

/**
 * Fills in what is missing, renews a certificate that is about to expire or has other names, and tokens that are about to
 * expire or are another key's; keeps everything else. The authority is kept until it has ended, for each client would have to learn of another.
 *
 * @param hosts names that clients may call Trino by.
 * @param gatewayHosts the same of the doors whose TLS a gateway ends. Default none: then nothing is made for them.
 */
export async function completeSecrets(
  known: Partial<SecretValues>,
  hosts: string[],
  gatewayHosts: string[] = [],
): Promise<SecretValues> {
  const secrets: SecretValues = {
    trinoPassword: generatePassword(),
    airflowPassword: generatePassword(),
    objectStorePassword: generatePassword(),
    trinoPasswordSalt: generateSalt(),
    airflowTrinoPassword: generatePassword(),
    airflowTrinoPasswordSalt: generateSalt(),
    trinoInternalSecret: generatePassword(48),
    databasePassword: generatePassword(),
    catalogDatabasePassword: generatePassword(),
    airflowDatabasePassword: generatePassword(),
    catalogObjectStoreKey: generatePassword(40),
    sparkObjectStoreKey: generatePassword(40),
    lineageObjectStoreKey: generatePassword(40),
    auditObjectStoreKey: generatePassword(40),
    auditToken: generatePassword(48),
    sparkAuthenticationSecret: generatePassword(48),
    // Fernet wants 32 bytes, base64 with - and _.
    airflowFernetKey: randomBytes(32).toString("base64").replaceAll("+", "-").replaceAll("/", "_"),
    airflowApiSecretKey: generatePassword(48),
    airflowJwtSecret: generatePassword(64),
    catalogTokenKey: "",
    trinoCatalogToken: "",
    sparkCatalogToken: "",
    outsideCatalogToken: "",
    caCertificate: "",
    caKey: "",
    trinoCertificate: "",
    trinoKey: "",
    databaseCertificate: "",
    databaseKey: "",
    databaseAuthority: "",
    ...known,
  };
  if (secrets.caKey === "" || remainingDays(secrets.caCertificate) < 0) {
    const authority = await createAuthority("Lakestack local authority");
    Object.assign(secrets, { caCertificate: authority.certificate, caKey: authority.key, trinoKey: "" });
  }
  const authority = { certificate: secrets.caCertificate, key: secrets.caKey };
  if (secrets.trinoKey === "" || !isGood(secrets.trinoCertificate, hosts)) {
    const server = await createCertificate(authority, hosts);
    Object.assign(secrets, { trinoCertificate: server.certificate, trinoKey: server.key });
  }
  if (
    secrets.databaseAuthority !== authority.certificate ||
    !isGood(secrets.databaseCertificate, [databaseHost])
  ) {
    const server = await createCertificate(authority, [databaseHost]);
    Object.assign(secrets, { databaseCertificate: server.certificate, databaseKey: server.key });
    secrets.databaseAuthority = authority.certificate;
  }
  if (secrets.catalogTokenKey === "") secrets.catalogTokenKey = generateTokenKey();
  for (const caller of catalogCallers) {
    const name = catalogTokens[caller];
    if (!isTokenGood(secrets[name], secrets.catalogTokenKey, caller))
      secrets[name] = signToken(secrets.catalogTokenKey, caller);
  }
  const { gatewayCertificate = "", gatewayAuthority } = secrets;
  if (
    gatewayHosts.length > 0 &&
    (gatewayAuthority !== authority.certificate || !isGood(gatewayCertificate, gatewayHosts))
  ) {
    const server = await createCertificate(authority, gatewayHosts);
    secrets.gatewayCertificate = server.certificate;
    secrets.gatewayKey = server.key;
    secrets.gatewayAuthority = authority.certificate;
  }
  return secrets;
}

/** Whether a certificate is for these names, and not about to end. */
const isGood = (certificate: string, hosts: string[]) =>
  remainingDays(certificate) >= renewalDays && covers(certificate, hosts);

/**
 * Completes the secrets while some of them are on their way in.
 *
 * @param pending of these, what is generated or renewed stays with them: they are what the stack is given.
 */
export async function completeRotation(
  known: Partial<SecretValues>,
  pending: Partial<SecretValues>,
  hosts: string[],
  gatewayHosts: string[] = [],
): Promise<{ values: SecretValues; known: SecretValues; pending: Partial<SecretValues> }> {
  const values = await completeSecrets({ ...known, ...pending }, hosts, gatewayHosts);
  const split = (isPending: boolean) =>
    Object.fromEntries(Object.entries(values).filter(([key]) => key in pending === isPending));
  return { values, known: { ...values, ...known, ...split(false) }, pending: split(true) };
}

/** Writes a document into the stack's configuration file, encrypted. It travels by standard input. */
function save(key: string, document: string): void {
  try {
    execFileSync("pulumi", ["config", "set", "--secret", key, "--stack", pulumi.getStack()], {
      input: document,
      stdio: ["pipe", "ignore", "pipe"],
    });
  } catch (error) {
    const reason = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
    throw new pulumi.RunError(
      `The secrets of stack ${pulumi.getStack()} were generated but could not be kept: ${reason}\n` +
        "The pulumi command must be on the PATH and able to open the stack without asking: set " +
        "PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, or see npm run env.",
    );
  }
}

/**
 * The stack's secrets: read from its encrypted configuration, generated there at first use.
 *
 * @param hosts names that clients may call Trino by.
 * @param own in place of the stack's certificate and authority, which are kept all the same.
 * @param gatewayHosts names that clients may call the doors by whose TLS a gateway ends.
 *
 * Generation can't wait for a resource: a preview shows the same values that the update will use.
 */
export async function loadSecrets(
  hosts: string[],
  own?: OwnCertificate,
  gatewayHosts: string[] = [],
): Promise<Secrets> {
  const config = new pulumi.Config("lakestack");
  const read = (key: string) => {
    const document = config.get(key);
    return document === undefined ? undefined : (JSON.parse(document) as Partial<SecretValues>);
  };
  const [known = {}, rotation] = [read(documentKey), read(rotationKey)];
  const completed = await completeRotation(known, rotation ?? {}, hosts, gatewayHosts);
  const { values } = completed;
  const changed = Object.entries({
    [documentKey]: JSON.stringify(completed.known),
    ...(rotation === undefined ? {} : { [rotationKey]: JSON.stringify(completed.pending) }),
  }).filter(([key, document]) => document !== config.get(key));
  for (const [key, document] of changed) save(key, document);
  if (changed.length > 0) {
    const before = { ...known, ...rotation };
    const renewed = (["trinoKey", "databaseKey", "gatewayKey"] as const).some(
      (key) => before[key] !== undefined && before[key] !== values[key],
    );
    const what = renewed ? "Renewed the certificate" : "Generated the missing secrets";
    void pulumi.log.info(`${what} of stack ${pulumi.getStack()}; kept encrypted in its configuration.`);
  }
  const days = remainingDays(values.caCertificate);
  if (own === undefined && days < authorityWarningDays) void pulumi.log.warn(authorityWarning(days));
  for (const key of chosenSecrets) {
    const value = config.get(key);
    if (value === undefined) continue;
    if (value.length < leastPasswordLength)
      throw new pulumi.RunError(
        `lakestack:${key} has ${value.length} characters, expected at least ${leastPasswordLength}. Set it: pulumi config set --secret ${key}`,
      );
    values[key] = value;
  }
  if (own !== undefined)
    Object.assign(values, {
      trinoCertificate: own.certificate,
      trinoKey: own.key,
      caCertificate: own.authority,
    });
  const secrets = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, pulumi.secret(value)]),
  ) as Secrets;
  const former = rotation?.airflowFernetKey === undefined ? undefined : known.airflowFernetKey;
  return former === undefined ? secrets : { ...secrets, formerFernetKey: pulumi.secret(former) };
}

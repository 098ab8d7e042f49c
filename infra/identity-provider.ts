import * as pulumi from "@pulumi/pulumi";
import { clientSecretKey, ConfigError, type StackConfig } from "./config";
import { readPemFile } from "./pem-file";
import { certificatesIn } from "./tls";
import { type Role, serviceUsers } from "./users";

/** Who says who people are, in the stack's place: a server that speaks OpenID Connect. */
export interface IdentityProvider {
  /** Its URL, as its tokens have it (`iss`). What else there is to know, it says below that (OpenID Connect Discovery 1.0). */
  issuer: string;
  clientId: string;
  clientSecret: pulumi.Output<string>;
  /** What is asked for in a person's name. */
  scopes: string[];
  /** The claim with a person's name. */
  userClaim: string;
  /** The claim with the names of a person's groups. */
  groupsClaim: string;
  /** What members of its groups are. */
  groups: Record<string, Role>;
  /** What people are by their names, whatever their groups. */
  users: Record<string, Role>;
  /** Names that are the stack's own: nobody comes in by them. */
  ownNames: string[];
  /** PEM of those who may have signed its certificate. Default: those whom everybody trusts. */
  authorities?: string;
}

/**
 * The issuer that the configuration names.
 *
 * @returns nothing if it names none: then people have passwords of the stack's.
 * @throws ConfigError if its authorities can't be read.
 */
export function loadIdentityProvider(config: StackConfig): IdentityProvider | undefined {
  if (config.oidcIssuer === "") return undefined;
  return {
    issuer: config.oidcIssuer,
    clientId: config.oidcClientId,
    clientSecret: new pulumi.Config("lakestack").requireSecret(clientSecretKey),
    scopes: config.oidcScopes,
    userClaim: config.oidcUserClaim,
    groupsClaim: config.oidcGroupsClaim,
    groups: config.oidcGroups,
    users: config.users,
    ownNames: [...new Set([config.trinoUser, config.airflowUser, ...serviceUsers])],
    authorities: config.oidcAuthoritiesFile === "" ? undefined : readAuthorities(config.oidcAuthoritiesFile),
  };
}

function readAuthorities(file: string): string {
  const key = "oidcAuthoritiesFile";
  const pem = readPemFile(key, file);
  if (certificatesIn(pem).length === 0)
    throw new ConfigError([{ key, value: file, expected: "a PEM file with a certificate" }]);
  return pem;
}

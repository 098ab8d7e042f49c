import { createHmac } from "node:crypto";
import type { IdentityProvider } from "../identity-provider";
import { type Role, roles, withRole } from "../users";
import { etc } from "./trino-files";

/** Names that a role's group has in Trino; the first is the stack's own, in its group file. */
export type RoleGroups = Record<Role, string[]>;

/** Where nobody but the group file says who is in which group. */
export const plainGroups: RoleGroups = { admin: ["admin"], etl: ["etl"], analyst: ["analyst"] };

/**
 * The same where the issuer's tokens name groups, too: members of those that are declared have the role. Trino takes the names
 * as they come, beside those of the group file, so a group of the issuer's that happens to be called "admin" would be our
 * "admin". Hence the stack's own groups have names that nobody can choose.
 *
 * @param secret of the stack; the names tell nothing of it.
 */
export function roleGroups({ groups }: Pick<IdentityProvider, "groups">, secret: string): RoleGroups {
  const own = (role: Role) =>
    `${role}-${createHmac("sha256", secret).update(`group ${role}`).digest("hex").slice(0, 24)}`;
  return Object.fromEntries(
    roles.map((role) => [role, [own(role), ...withRole(groups, role)]]),
  ) as RoleGroups;
}

/** A regular expression that fits this name alone. */
export const exactly = (name: string) => name.replaceAll(/[^\w@]/gu, "\\$&");

/** The same for the groups of these roles. */
export const anyOf = (groups: RoleGroups, ...wanted: Role[]) =>
  wanted
    .flatMap((role) => groups[role])
    .map(exactly)
    .join("|");

export const issuerAuthoritiesFile = `${etc}/issuer-ca.pem`;
export const userMappingFile = `${etc}/issuer-users.json`;

/**
 * What config.properties says of people who come by the issuer: with a browser, or with a token of the issuer's. Passwords
 * go on working. The page is for those who have no password here.
 */
export function renderLogin(provider: Omit<IdentityProvider, "clientSecret">, clientSecret: string) {
  const oauth = "http-server.authentication.oauth2";
  return {
    "http-server.authentication.type": "PASSWORD,OAUTH2",
    "web-ui.authentication.type": "oauth2",
    [`${oauth}.issuer`]: provider.issuer,
    [`${oauth}.client-id`]: provider.clientId,
    [`${oauth}.client-secret`]: clientSecret,
    [`${oauth}.scopes`]: provider.scopes.join(","),
    // Whom the issuer describes is read from the token, whose audience is checked then: the issuer describes the bearer of
    // any token, also of one that was given for another program.
    [`${oauth}.oidc.use-userinfo-endpoint`]: "false",
    // Issuers' tokens last for minutes: Trino fetches another, and nobody is sent to the browser so often.
    [`${oauth}.refresh-tokens`]: "true",
    [`${oauth}.principal-field`]: provider.userClaim,
    [`${oauth}.user-mapping.file`]: userMappingFile,
    // Trino would rather have groups from elsewhere, for views that run with their owner's rights. An issuer's
    // are nowhere else (decision 0046).
    [`deprecated.${oauth}.groups-field`]: provider.groupsClaim,
    ...(provider.authorities === undefined
      ? {}
      : { "oauth2-jwk.http-client.trust-store-path": issuerAuthoritiesFile }),
  };
}

/** Which names Trino takes from the issuer: any but the stack's own, in whatever letters. */
export function renderUserMapping(ownNames: string[]): string {
  return `${JSON.stringify(
    {
      rules: [
        { pattern: `(?i)(${ownNames.map(exactly).join("|")})`, allow: false },
        { pattern: "([\\w.@+-]{1,128})", user: "$1" },
      ],
    },
    undefined,
    2,
  )}\n`;
}

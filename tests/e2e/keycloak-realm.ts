/** The realm that the tests' OpenID Connect server has: who there is, in which groups, and which clients ask. */

export const realmName = "lakestack";
export const clientId = "lakestack";
/** A program that has a token of its own, without a person. */
export const programId = "loader-program";
/** Another, of the same groups, whose tokens are for somebody else. */
export const otherProgramId = "other-program";

/** A person of the realm, with the groups of hers that the tokens tell. */
export interface Person {
  name: string;
  groups: string[];
}

/** What the tests make of the groups: see `lakestack:oidcGroups`. */
export const groupRoles = {
  "lake-admins": "admin",
  "lake loaders": "etl",
  "/lake/readers": "analyst",
} as const;

/** One of each role; two who may not come in; and one who has a name of the stack's own. */
export const people = {
  admin: { name: "ada", groups: ["staff", "lake-admins"] },
  etl: { name: "emil", groups: ["lake loaders"] },
  analyst: { name: "ana.l", groups: ["/lake/readers", "staff"] },
  /** Her groups are called as roles are, and are not the ones that have these roles. */
  stranger: { name: "stella", groups: ["admin", "etl", "analyst"] },
  groupless: { name: "gil", groups: [] },
  impostor: { name: "airflow", groups: ["lake-admins"] },
  /** Of the same name as somebody whom the stack's configuration declares. */
  declared: { name: "dana", groups: [] },
} as const satisfies Record<string, { name: string; groups: readonly string[] }>;

/** Everybody's password. */
export interface RealmSecrets {
  password: string;
  clientSecret: string;
  programSecret: string;
}

/** Tells who, in which groups, and for whom: in the tokens that services are sent, and in those about the person. */
const aboutPeople = [
  mapper("sub", "oidc-sub-mapper", {}),
  mapper("name", "oidc-usermodel-attribute-mapper", {
    "user.attribute": "username",
    "claim.name": "preferred_username",
    "jsonType.label": "String",
  }),
  // An attribute of the user's with several values: groups of Keycloak's own can't have every name that issuers give theirs.
  mapper("groups", "oidc-usermodel-attribute-mapper", {
    "user.attribute": "groups",
    "claim.name": "groups",
    "jsonType.label": "String",
    multivalued: "true",
  }),
];
const mappers = [
  ...aboutPeople,
  mapper("audience", "oidc-audience-mapper", { "included.client.audience": clientId }),
];
/** A token of which nobody says for whom it is would be taken by Trino (docs/access.md). */
const forOthers = [
  ...aboutPeople,
  mapper("audience", "oidc-audience-mapper", { "included.custom.audience": otherProgramId }),
];

function mapper(name: string, kind: string, config: Record<string, string>) {
  const everywhere = {
    "access.token.claim": "true",
    "id.token.claim": "true",
    "userinfo.token.claim": "true",
    "introspection.token.claim": "true",
  };
  return { name, protocol: "openid-connect", protocolMapper: kind, config: { ...everywhere, ...config } };
}

/**
 * The realm, as Keycloak imports it.
 *
 * @param redirects where the client's people may be sent back to.
 */
export function renderRealm(
  { password, clientSecret, programSecret }: RealmSecrets,
  redirects: string[],
): string {
  const client = { protocol: "openid-connect", protocolMappers: mappers };
  return JSON.stringify({
    realm: realmName,
    enabled: true,
    // Names and mail addresses need not be given.
    userManagedAccessAllowed: false,
    components: {
      "org.keycloak.userprofile.UserProfileProvider": [
        {
          providerId: "declarative-user-profile",
          config: { "kc.user.profile.config": [JSON.stringify(userProfile)] },
        },
      ],
    },
    clients: [
      {
        ...client,
        clientId,
        secret: clientSecret,
        redirectUris: redirects,
        standardFlowEnabled: true,
        // So that a test has somebody's token without a browser.
        directAccessGrantsEnabled: true,
      },
      {
        ...{ ...client, clientId: programId, secret: programSecret },
        ...{ standardFlowEnabled: false, serviceAccountsEnabled: true },
      },
      {
        ...{ ...client, clientId: otherProgramId, secret: programSecret, protocolMappers: forOthers },
        ...{ standardFlowEnabled: false, serviceAccountsEnabled: true },
      },
    ],
    users: [
      ...Object.values(people).map(({ name, groups }) => ({
        username: name,
        enabled: true,
        email: `${name}@example.com`,
        emailVerified: true,
        attributes: { groups },
        credentials: [{ type: "password", value: password, temporary: false }],
      })),
      ...[programId, otherProgramId].map((id) => ({
        username: id,
        enabled: true,
        serviceAccountClientId: id,
        attributes: { groups: ["lake loaders"] },
      })),
    ],
  });
}

const userProfile = {
  attributes: [
    { name: "username", permissions: { view: ["admin", "user"], edit: ["admin"] } },
    { name: "email", permissions: { view: ["admin", "user"], edit: ["admin"] } },
    { name: "groups", multivalued: true, permissions: { view: ["admin"], edit: ["admin"] } },
  ],
};

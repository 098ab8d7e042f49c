import { describe, expect, it } from "vitest";
import { catalogRules } from "../../infra/catalog-access";
import { readConfig } from "../../infra/config";
import { loadIdentityProvider } from "../../infra/identity-provider";
import { renderProvider } from "../../infra/services/airflow-login";
import { renderGroups, renderRules } from "../../infra/services/trino-access";
import { renderServer } from "../../infra/services/trino-files";
import { renderResourceGroups } from "../../infra/services/trino-limits";
import { plainGroups, renderLogin, renderUserMapping, roleGroups } from "../../infra/services/trino-login";
import { readGroups } from "../../infra/users";
import { faultsIn } from "./config-faults";
import { configure } from "./registered";

const issuer = "https://id.example.org:8444/realms/lake";
const whole = {
  oidcIssuer: issuer,
  oidcClientId: "lake",
  oidcClientSecret: "the-client's-secret",
  oidcGroups: '{"data team": "analyst", "lake-admins": "admin", "loaders": "etl"}',
};
const provider = {
  ...{ issuer, clientId: "lake", scopes: ["openid", "profile"] },
  ...{ userClaim: "preferred_username", groupsClaim: "groups" },
  groups: { "data team": "analyst", "lake-admins": "admin", loaders: "etl" } as const,
  users: { dana: "analyst", eve: "etl" } as const,
  ownNames: ["admin", "airflow", "drain"],
};

const faultsOf = (values: Record<string, string>) =>
  faultsIn(() => {
    configure(values);
    return loadIdentityProvider(readConfig());
  });

describe("an issuer in the configuration", () => {
  it("is absent by default", () => {
    configure({});
    expect(loadIdentityProvider(readConfig())).toBeUndefined();
  });

  it("is read with its groups, its claims, and who may not come by it", () => {
    configure({ ...whole, users: '{"dana": "analyst"}', trinoUser: "boss", airflowUser: "keeper" });
    expect(loadIdentityProvider(readConfig())).toMatchObject({
      ...{ issuer, clientId: "lake", userClaim: "preferred_username", groupsClaim: "groups" },
      scopes: ["openid", "profile", "email"],
      groups: { "data team": "analyst", "lake-admins": "admin", loaders: "etl" },
      users: { dana: "analyst" },
      ownNames: ["boss", "keeper", "airflow", "drain"],
      authorities: undefined,
    });
  });

  it.each([
    ["plain HTTP", { oidcIssuer: "http://id.example.org" }, "the https URL of an issuer"],
    [
      "the document in place of the issuer",
      { oidcIssuer: `${issuer}/.well-known/openid-configuration` },
      "without /.well-known/…",
    ],
    ["no client", { oidcClientId: "" }, 'oidcClientId is "", expected the name by which the issuer'],
    [
      "no secret",
      { oidcClientSecret: "" },
      "oidcClientSecret is not set, expected the client's secret at the issuer. Set it: pulumi config set --secret oidcClientSecret",
    ],
    ["no openid", { oidcScopes: "profile" }, 'oidcScopes is "profile", expected openid among the scopes'],
    ["two claims", { oidcGroupsClaim: "groups,roles" }, "expected the name of a claim"],
    [
      "an unknown role",
      { oidcGroups: '{"data team": "reader"}' },
      `oidcGroups["data team"] is "reader", expected one of admin, etl, analyst. Set it: pulumi config set --path 'oidcGroups["data team"]' VALUE`,
    ],
    ["a list of groups", { oidcGroups: '["data team"]' }, "expected an object of roles by group"],
    [
      "an authority that is nowhere",
      { oidcAuthoritiesFile: "nowhere.pem" },
      "expected the name of a PEM file that can be read",
    ],
  ])("with %s is a fault that says what was expected", (_, values, message) => {
    expect(faultsOf({ ...whole, ...values })).toContain(message);
  });

  it("is missed where something is said of it", () => {
    expect(faultsOf({ oidcGroups: whole.oidcGroups, oidcClientId: "lake" })).toContain(
      'oidcIssuer is "", expected the issuer that oidcClientId, oidcGroups is for',
    );
  });

  it.each(["it's", 'a "b"', "a\\b", "${ENV:HOME}", "a\nb", "", "x".repeat(201)])(
    "can't have a group %j, which would mean something else in rules and settings",
    (name) => {
      expect(readGroups(JSON.stringify({ [name]: "admin" })).faults).toHaveLength(1);
    },
  );

  it.each(["/lake/readers", "CN=lake,OU=data", "Datenbüro 3", "6f9c-11", "a|b", ".*"])(
    "may have a group %j",
    (name) => {
      expect(readGroups(JSON.stringify({ [name]: "admin" })).groups).toEqual({ [name]: "admin" });
    },
  );
});

describe("Trino", () => {
  const groups = roleGroups(provider, "secret");
  const text = renderServer("shared", false, undefined, renderLogin(provider, "client's"));

  it("takes passwords and the issuer's tokens, and asks the issuer by its own authority if it has one", () => {
    for (const line of [
      "http-server.authentication.type=PASSWORD,OAUTH2",
      `http-server.authentication.oauth2.issuer=${issuer}`,
      "http-server.authentication.oauth2.principal-field=preferred_username",
      "deprecated.http-server.authentication.oauth2.groups-field=groups",
      "http-server.authentication.oauth2.scopes=openid,profile",
    ])
      expect(text).toContain(`${line}\n`);
    expect(text).not.toContain("trust-store-path");
    expect(renderLogin({ ...provider, authorities: "PEM" }, "")).toMatchObject({
      "oauth2-jwk.http-client.trust-store-path": "/etc/trino/issuer-ca.pem",
    });
    expect(renderServer("shared")).toContain("http-server.authentication.type=PASSWORD\n");
  });

  it("gives declared groups their role, beside the stack's own, whose names nobody can choose", () => {
    for (const [role, [own = "", ...others]] of Object.entries(groups)) {
      expect(own).toMatch(new RegExp(`^${role}-[0-9a-f]{24}$`));
      expect(others).toHaveLength(1);
    }
    expect(roleGroups(provider, "another").admin[0]).not.toBe(groups.admin[0]);
    expect(new Set(Object.values(groups).map(([own = ""]) => own.split("-")[1])).size).toBe(3);
    expect(renderGroups([{ name: "ann", role: "etl" }], groups)).toContain(`\n${groups.etl[0]}:ann\n`);
  });

  it("has rules and queues that fit these groups alone, and none that happens to be called as a role", () => {
    const access = { users: [], sources: [], publishedSchemas: [], catalog: "iceberg" };
    const rules = JSON.parse(renderRules({ ...access, groups })) as Record<string, { group?: string }[]>;
    const queues = JSON.parse(
      renderResourceGroups({ queries: 6, memoryPercent: 50, minutes: 30 }, groups),
    ) as { selectors: { userGroup?: string }[] };
    const patterns = [
      ...Object.values(rules).flatMap((section) => section.flatMap(({ group }) => group ?? [])),
      ...queues.selectors.flatMap(({ userGroup }) => userGroup ?? []),
    ].map((pattern) => new RegExp(`^(?:${pattern})$`));
    expect(patterns.length).toBeGreaterThan(10);
    const fits = (name: string) => patterns.filter((pattern) => pattern.test(name)).length;
    for (const name of ["admin", "etl", "analyst", "lakeXadmins", "data", "loaders2", ""])
      expect(fits(name), name).toBe(0);
    for (const name of Object.values(groups).flat()) expect(fits(name), name).toBeGreaterThan(1);
    expect(renderRules(access)).toBe(renderRules({ ...access, groups: plainGroups }));
  });

  it("lets nobody come by a name of the stack's own, in whatever letters", () => {
    const { rules } = JSON.parse(renderUserMapping(["admin", "air.flow"])) as {
      rules: { pattern: string; allow?: boolean }[];
    };
    const first = (name: string) =>
      rules.find(({ pattern }) =>
        new RegExp(`^(?:${pattern.replace("(?i)", "")})$`, pattern.startsWith("(?i)") ? "i" : "").test(name),
      );
    expect(first("Admin")?.allow).toBe(false);
    expect(first("air.flow")?.allow).toBe(false);
    expect(first("airXflow")?.allow).toBeUndefined();
    expect(first("ann@acme.org")?.pattern).toBeDefined();
    expect(first("a b")).toBeUndefined();
  });
});

describe("the catalog's rules", () => {
  const people = catalogRules(provider);

  it("never take somebody of the issuer's for a caller of the stack's", () => {
    for (const [name, rule] of Object.entries(people))
      expect(rule).toContain(name.startsWith("people_") ? `'${issuer}' in roles` : `!('${issuer}' in roles)`);
    expect(Object.values(catalogRules()).join()).not.toContain("roles");
  });

  it("give people what they may in Trino, and analysts nothing, who would see what is masked", () => {
    const names = Object.keys(people).filter((name) => name.startsWith("people_"));
    expect([...new Set(names.map((name) => name.split("_")[1]))]).toEqual(["admin", "etl"]);
    expect(people["people_etl_1"]).toContain("('loaders' in roles || role in ['eve'])");
    expect(people["people_admin_1"]).toContain("('lake-admins' in roles)");
    expect(Object.values(people).join()).not.toMatch(/data team|dana/);
    for (const name of names) expect(people[name]).toContain("!(role in ['admin', 'airflow', 'drain'])");
  });
});

describe("Airflow's page", () => {
  it("is told of the issuer in a file", () => {
    const told = JSON.parse(renderProvider({ ...provider, authorities: "PEM" }, "client's")) as object;
    expect(told).toMatchObject({
      ...{ issuer, clientId: "lake", clientSecret: "client's", groups: provider.groups },
      authorities: "/etc/lakestack/issuer-ca.pem",
    });
    expect(renderProvider(provider, "client's")).not.toContain("authorities");
  });
});

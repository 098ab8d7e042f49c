import { describe, expect, it } from "vitest";
import type { Source } from "../../infra/sources";
import { renderGroups, renderPasswords, renderRules } from "../../infra/services/trino-access";
import { renderAccessControl } from "../../infra/services/trino-files";
import { renderResourceGroups, renderSessionDefaults } from "../../infra/services/trino-limits";
import type { User } from "../../infra/users";

type Named = Pick<User, "name" | "role">;

const users: Named[] = [
  { name: "admin", role: "admin" },
  { name: "ann.b", role: "admin" },
  { name: "airflow", role: "etl" },
  { name: "dora", role: "analyst" },
];
const mask = { column: "user", expression: "'***'" };
const source = (table: string, more: Partial<Source> = {}) => ({
  ...({ masks: [], checks: [] } as Pick<Source, "masks" | "checks">),
  table,
  ...more,
});

interface Rule {
  group?: string;
  user?: string;
  catalog?: string;
  schema?: string;
  table?: string;
  property?: string;
  privileges?: string[];
  allow?: unknown;
  owner?: boolean;
  columns?: { name: string; mask: string }[];
  filter?: string;
}

/** Reads rules as Trino does: the first decides of which every pattern fits the whole name; a missing one fits all. */
class Rules {
  private readonly sections: Record<string, Rule[]>;

  constructor(sources: ReturnType<typeof source>[], publishedSchemas: string[] = []) {
    this.sections = JSON.parse(
      renderRules({ users, sources, publishedSchemas, catalog: "iceberg" }),
    ) as Record<string, Rule[]>;
  }

  first(section: string, subject: Record<string, string>): Rule | undefined {
    return this.sections[section]?.find((rule) =>
      ["user", "group", "catalog", "schema", "table", "property"].every((key) => {
        const pattern = (rule as Record<string, unknown>)[key];
        return typeof pattern !== "string" || new RegExp(`^(?:${pattern})$`).test(subject[key] ?? "");
      }),
    );
  }

  privileges(group: string, name: string): string[] {
    const [catalog = "", schema = "", table = ""] = name.split(".");
    return this.first("tables", { group, catalog, schema, table })?.privileges ?? [];
  }
}

describe("the tables of the audit log", () => {
  const rules = new Rules([source("newtral.media")], ["marts"]);
  const subject = { catalog: "iceberg", schema: "audit", table: "queries" };
  const privileges = (user: string, group: string, table = "queries") =>
    rules.first("tables", { ...subject, user, group, table })?.privileges;
  const owns = (user: string, group: string) => rules.first("schemas", { ...subject, user, group })?.owner;

  it("are an administrator's, and in no way an analyst's or another writer's", () => {
    expect(privileges("admin", "admin")).toContain("SELECT");
    expect(owns("admin", "admin")).toBe(true);
    for (const [user, group] of [
      ["dora", "analyst"],
      ["eva", "etl"],
    ] as const) {
      for (const table of ["queries", "queries_quarantine", "queries$files", "queries@main"])
        expect(privileges(user, group, table), `${user} ${table}`).toEqual([]);
      expect(owns(user, group), user).toBe(false);
    }
  });

  it("are made by the pipelines, who read no row of them", () => {
    expect(privileges("airflow", "etl")).toEqual(["OWNERSHIP"]);
    expect(owns("airflow", "etl")).toBe(true);
    // Elsewhere they write as ever.
    const elsewhere = {
      user: "airflow",
      group: "etl",
      catalog: "iceberg",
      schema: "newtral",
      table: "media",
    };
    expect(rules.first("tables", elsewhere)?.privileges).toContain("INSERT");
  });
});

describe("an analyst", () => {
  const rules = new Rules([
    source("newtral.media", { masks: [mask], rowFilter: "type <> 'draft'" }),
    source("newtral.tiktokcomment", { checks: [{ check: "unique", columns: ["id"], onFailure: "warn" }] }),
  ]);

  it("reads the declared tables, and changes nothing", () => {
    expect(rules.privileges("analyst", "iceberg.newtral.media")).toEqual(["SELECT"]);
    expect(rules.privileges("analyst", "iceberg.newtral.tiktokcomment")).toEqual(["SELECT"]);
    expect(rules.first("schemas", { group: "analyst", catalog: "iceberg", schema: "newtral" })?.owner).toBe(
      false,
    );
    expect(rules.first("catalogs", { group: "analyst", catalog: "iceberg" })?.allow).toBe("read-only");
  });

  it.each([
    "iceberg.newtral.media_quarantine",
    "iceberg.newtral.media_undeclared",
    "iceberg.newtral.media$files",
    "iceberg.newtral.media$snapshots",
    "iceberg.newtral.media@main",
    "iceberg.newtral.media#2018-04-16T09:00:00.000Z",
    "iceberg.newtral.unknown",
    "iceberg.other.media",
    "other.newtral.media",
    "system.runtime.tasks",
    "system.runtime.nodes",
  ])("does not read %s", (name) => {
    expect(rules.privileges("analyst", name)).toEqual([]);
  });

  it("reads the verdicts of the checks where there are checks", () => {
    expect(rules.privileges("analyst", "iceberg.newtral.tiktokcomment_checks")).toEqual(["SELECT"]);
    expect(rules.privileges("analyst", "iceberg.newtral.media_checks")).toEqual([]);
  });

  it("reads what drivers ask for: names and types, and of queries those that Trino shows", () => {
    for (const name of ["system.jdbc.columns", "system.metadata.table_comments", "system.runtime.queries"])
      expect(rules.privileges("analyst", name), name).toEqual(["SELECT"]);
  });

  it("sees masks and the filter that the source declares", () => {
    const rule = (table: string) =>
      rules.first("tables", { group: "analyst", catalog: "iceberg", schema: "newtral", table });
    expect(rule("media")).toMatchObject({
      columns: [{ name: "user", mask: "'***'" }],
      filter: "type <> 'draft'",
    });
    expect(rule("tiktokcomment")).not.toHaveProperty("columns");
    expect(rule("tiktokcomment")).not.toHaveProperty("filter");
  });

  it("can't lift the limits of the role, nor call what knows no masks", () => {
    const allowed = (property: string) =>
      rules.first("system_session_properties", { group: "analyst", property })?.allow;
    expect(allowed("time_zone_id")).toBe(true);
    for (const property of [
      "query_max_execution_time",
      "query_max_memory",
      "resource_overcommit",
      "query_priority",
    ])
      expect(allowed(property), property).toBeUndefined();
    for (const section of ["catalog_session_properties", "functions", "procedures", "impersonation"])
      expect(rules.first(section, { group: "analyst", catalog: "iceberg" }), section).toBeUndefined();
  });

  it("executes queries and sees those of nobody else", () => {
    expect(rules.first("queries", { group: "analyst" })?.allow).toEqual(["execute"]);
    expect(rules.first("system_information", { group: "analyst", user: "dora" })).toBeUndefined();
  });

  it("reads every plain table of a published schema, still without what the pipelines put aside", () => {
    const published = new Rules([source("newtral.media", { masks: [mask] })], ["newtral", "marts"]);
    const at = (name: string) => published.privileges("analyst", name);
    expect(at("iceberg.marts.daily")).toEqual(["SELECT"]);
    expect(at("iceberg.newtral.copy")).toEqual(["SELECT"]);
    expect(at("iceberg.newtral.media_quarantine")).toEqual([]);
    expect(at("iceberg.newtral.media$files")).toEqual([]);
    expect(at("iceberg.newtral.media@main")).toEqual([]);
    expect(
      published.first("tables", { group: "analyst", catalog: "iceberg", schema: "newtral", table: "media" })
        ?.columns,
    ).toHaveLength(1);
  });
});

describe("the other roles", () => {
  const rules = new Rules([source("newtral.media", { masks: [mask] })]);
  const everything = ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT"];

  it("etl does everything in the lake, without masks, and nothing outside of it", () => {
    expect(rules.privileges("etl", "iceberg.newtral.media")).toEqual(everything);
    expect(rules.privileges("etl", "iceberg.any.table$files")).toEqual(everything);
    expect(rules.privileges("etl", "system.runtime.tasks")).toEqual([]);
    expect(rules.first("catalogs", { group: "etl", catalog: "system" })?.allow).toBe("read-only");
    expect(rules.first("queries", { group: "etl" })?.allow).toEqual(["execute"]);
  });

  it("admin does everything everywhere, and sees and ends everybody's queries", () => {
    expect(rules.privileges("admin", "system.runtime.tasks")).toEqual(everything);
    expect(rules.first("queries", { group: "admin" })?.allow).toEqual(["execute", "view", "kill"]);
    expect(rules.first("system_information", { user: "ann.b" })?.allow).toEqual(["read"]);
    expect(rules.first("system_information", { user: "annXb" })).toBeUndefined();
  });

  it("somebody without a role has nothing, not even the system catalog", () => {
    expect(rules.first("catalogs", { group: "", catalog: "system" })?.allow).toBe("none");
    expect(rules.privileges("", "iceberg.newtral.media")).toEqual([]);
    expect(rules.first("queries", { group: "" })).toBeUndefined();
  });
});

describe("Trino's files", () => {
  it("group users by role", () => {
    expect(renderGroups(users)).toBe("admin:admin,ann.b\netl:airflow\nanalyst:dora\n");
    expect(renderGroups([])).toBe("admin:\netl:\nanalyst:\n");
  });

  it("have a line for each user who has a password, and no empty hash, which would shut everybody out", () => {
    expect(
      renderPasswords([
        { name: "a", passwordHash: "1:2:3" },
        { name: "b", passwordHash: "" },
      ]),
    ).toBe("a:1:2:3\n");
  });

  it("are looked at again without a restart: passwords, groups and rules", () => {
    const files = renderAccessControl();
    expect(files["password-authenticator.properties"]).toContain("file.refresh-period=2s\n");
    expect(files["group-provider.properties"]).toContain("file.refresh-period=2s\n");
    expect(files["access-control.properties"]).toContain("security.refresh-period=2s\n");
  });
});

describe("limits", () => {
  interface Group {
    name: string;
    softMemoryLimit: string;
    hardConcurrencyLimit: number;
    schedulingWeight?: number;
    subGroups?: Group[];
  }
  const { rootGroups, selectors } = JSON.parse(
    renderResourceGroups({ queries: 5, memoryPercent: 40, minutes: 10 }),
  ) as { rootGroups: Group[]; selectors: Record<string, string>[] };
  const group = (name: string) => rootGroups[0]?.subGroups?.find((each) => each.name === name);

  it("leave the pipelines places and memory that analysts can't take", () => {
    expect(group("analyst")).toMatchObject({ softMemoryLimit: "40%", hardConcurrencyLimit: 5 });
    const places = (group("analyst")?.hardConcurrencyLimit ?? 0) + (group("etl")?.hardConcurrencyLimit ?? 0);
    expect(rootGroups[0]?.hardConcurrencyLimit).toBeGreaterThanOrEqual(places);
    expect(group("etl")?.schedulingWeight).toBeGreaterThan(group("analyst")?.schedulingWeight ?? 0);
  });

  it("leave other analysts places that one alone can't take", () => {
    expect(group("analyst")?.subGroups).toMatchObject([{ name: "${USER}", hardConcurrencyLimit: 3 }]);
  });

  it("sort queries by role, and refuse to let analysts rewrite tables", () => {
    expect(selectors).toEqual([
      { userGroup: "admin", group: "all.admin" },
      { userGroup: "etl", group: "all.etl" },
      { queryType: "ALTER_TABLE_EXECUTE", group: "table-maintenance-is-not-for-analysts" },
      { group: "all.analyst.${USER}" },
    ]);
    expect(rootGroups[1]).toMatchObject({ hardConcurrencyLimit: 0, maxQueued: 0 });
  });

  it("give long queries to those only who are no analysts", () => {
    const [spec] = JSON.parse(renderSessionDefaults()) as { group: string }[];
    const fits = (name: string) => new RegExp(`^(?:${spec?.group ?? ""})$`).test(name);
    expect(["all.etl", "all.admin", "all.analyst.dora"].map(fits)).toEqual([true, true, false]);
  });
});

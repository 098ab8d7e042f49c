import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../../infra/config";
import { generatePassword, generateSalt, hashPassword, isPasswordHash } from "../../infra/password";
import type { Secrets } from "../../infra/secrets";
import { completeSecrets } from "../../infra/secrets";
import { allUsers, readUsers } from "../../infra/users";
import { configure } from "./registered";

const faultsOf = (text: string | undefined, administrator = "admin") =>
  readUsers(text, administrator).faults.map(({ key, expected }) => `${key}: ${expected}`);

describe("declared users", () => {
  it("are roles by name; without a declaration there is none", () => {
    expect(readUsers('{"ann": "analyst", "ben.c@acme": "etl"}', "admin")).toEqual({
      users: { ann: "analyst", "ben.c@acme": "etl" },
      faults: [],
    });
    expect(readUsers(undefined, "admin")).toEqual({ users: {}, faults: [] });
  });

  it.each([
    ["an unknown role", '{"ann": "king"}', "users.ann: one of admin, etl, analyst"],
    ["no role at all", '{"ann": null}', "users.ann: one of admin, etl, analyst"],
    [
      "the administrator's name",
      '{"admin": "analyst"}',
      "users.admin: another name: this one is the stack's own",
    ],
    ["Airflow's name", '{"airflow": "admin"}', "users.airflow: another name: this one is the stack's own"],
    ["a list", '["ann"]', 'users: an object of roles by name, {"ann": "analyst"}'],
    ["no JSON", "ann", 'users: an object of roles by name, {"ann": "analyst"}'],
  ])("with %s are a fault, by key", (_, text, fault) => {
    expect(faultsOf(text)).toEqual([fault]);
  });

  it.each(["a:b", "a,b", "a b", "1a", "a", ".*", "ann|ben", "a\nb"])(
    "can't be called %j, which would mean something else in Trino's files",
    (name) => {
      expect(faultsOf(JSON.stringify({ [name]: "admin" }))).toHaveLength(1);
    },
  );

  it("leave Airflow its name even where the administrator wants it", () => {
    expect(faultsOf("{}", "airflow")).toEqual(["trinoUser: another name: this one is the stack's own"]);
  });

  it("are part of the stack's configuration, and their faults are told with all others", () => {
    configure({ users: '{"ann": "analyst"}', publishedSchemas: "marts, sales" });
    expect(readConfig()).toMatchObject({ users: { ann: "analyst" }, publishedSchemas: ["marts", "sales"] });
    configure({ users: '{"ann": "king"}', analystMinutes: "0" });
    expect(() => readConfig()).toThrow(
      /users\.ann is "king", expected one of .*config set --path 'users\.ann'/,
    );
    expect(() => readConfig()).toThrow(/analystMinutes is "0"/);
  });
});

describe("all users of Trino", () => {
  let secrets: Secrets;
  const hash = hashPassword("correct horse", "00112233445566778899aabbccddeeff");
  const valueOf = <T>(output: pulumi.Input<T>) =>
    new Promise((resolve) => pulumi.output(output).apply(resolve));

  beforeAll(async () => {
    const values = Object.entries(await completeSecrets({}, ["localhost"]));
    secrets = Object.fromEntries(
      values.map(([key, value]) => [key, pulumi.secret(String(value))]),
    ) as Secrets;
  });

  it("are the administrator, Airflow with the rights of the pipelines, and who is declared", () => {
    const users = allUsers({ trinoUser: "root", users: { ann: "analyst" } }, secrets, { ann: hash });
    expect(users.map(({ name, role }) => [name, role])).toEqual([
      ["root", "admin"],
      ["airflow", "etl"],
      ["ann", "analyst"],
    ]);
  });

  it("have hashes in place of passwords, which stay secrets", async () => {
    const users = allUsers({ trinoUser: "root", users: { ann: "analyst" } }, secrets, { ann: hash });
    for (const { name, passwordHash } of users) {
      expect(await pulumi.isSecret(pulumi.output(passwordHash)), name).toBe(true);
      expect(await valueOf(passwordHash), name).toSatisfy(isPasswordHash);
    }
    expect(await valueOf(users[2]?.passwordHash ?? "")).toBe(hash);
  });

  it.each([undefined, "", "plain", "1:2:3", `${hash}\nmallory:${hash}`])(
    "who were given %j for a hash can't log in, and nobody else is harmed",
    async (kept) => {
      const [, , ann] = allUsers({ trinoUser: "root", users: { ann: "analyst" } }, secrets, { ann: kept });
      expect(await valueOf(ann?.passwordHash ?? "none")).toBe("");
    },
  );
});

describe("passwords", () => {
  it("are generated of letters and digits, never twice the same", () => {
    expect(generatePassword()).toMatch(/^[A-Za-z0-9]{24}$/);
    expect(generatePassword()).not.toBe(generatePassword());
  });

  it("have another hash with another salt", () => {
    expect(hashPassword("same", generateSalt())).not.toBe(hashPassword("same", generateSalt()));
  });
});

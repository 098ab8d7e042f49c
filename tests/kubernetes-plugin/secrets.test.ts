import { expect, test } from "vitest";
import { isNoPlainWord, Secrets, SecretTexts } from "../../toolchain/plugin-protocol/secrets";

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const secret = (value: unknown) => ({ [SIGNATURE]: "1b47061264138c4ac30d75fd1eb44270", value });
const byPart = (known = new SecretTexts()) => new Secrets(known, "part");

test("a secret inside an object is marked alone, one inside a list marks the list", () => {
  const secrets = byPart();
  const given = {
    metadata: { name: "x", annotations: { "a.b/c": secret("s1") } },
    spec: { containers: [{ env: [{ value: secret("s2") }] }], replicas: 1 },
  };
  const plain = secrets.reveal(given);
  expect(plain).toEqual({
    metadata: { name: "x", annotations: { "a.b/c": "s1" } },
    spec: { containers: [{ env: [{ value: "s2" }] }], replicas: 1 },
  });
  expect(secrets.conceal({ ...plain, status: {} })).toEqual({
    metadata: { name: "x", annotations: { "a.b/c": secret("s1") } },
    spec: { containers: secret([{ env: [{ value: "s2" }] }]), replicas: 1 },
    status: {},
  });
});

test("marks are not put inside marks, and what is in a secret's way is marked whole", () => {
  const secrets = byPart();
  secrets.reveal({ data: { a: secret("1"), b: secret("2") } });
  secrets.protect({}, ["data"]);
  expect(secrets.conceal({ data: { a: "1", b: "2" } })).toEqual({ data: secret({ a: "1", b: "2" }) });
  const another = byPart();
  another.reveal({ spec: { a: { b: secret("1") } } });
  expect(another.conceal({ spec: { a: "text" } })).toEqual({ spec: { a: secret("text") } });
  expect(another.conceal({ spec: {} })).toEqual({ spec: {} });
});

test("what one resource keeps secret is hidden in the messages of all, encoded or not", () => {
  const known = new SecretTexts(isNoPlainWord);
  byPart(known).protect({ data: { password: Buffer.from("Pa55wordOfTheTest").toString("base64") } }, [
    "data",
  ]);
  expect(byPart(known).redact("login with Pa55wordOfTheTest failed")).toBe("login with [secret] failed");
});

test("a plain word is hidden in the messages of its own resource only", () => {
  const known = new SecretTexts(isNoPlainWord);
  const own = byPart(known);
  own.reveal({ user: secret("postgres") });
  expect(own.redact("user postgres")).toBe("user [secret]");
  expect(byPart(known).redact("pod postgres-0")).toBe("pod postgres-0");
});

import { expect, test } from "vitest";
import { withFieldManager, withName, withNamespace } from "../../toolchain/kubernetes-plugin/names";
import { UNKNOWN } from "../../toolchain/plugin-protocol/provider";

const seed = Buffer.from("seed");
const nameOf = (inputs: object) => (inputs as { metadata: { name: string } }).metadata.name;

test("a name is made up of the resource's and eight hex digits, the same for the same seed", () => {
  const named = withName({}, { kind: "Job" }, "load", seed);
  expect(nameOf(named)).toMatch(/^load-[0-9a-f]{8}$/);
  expect(named).toMatchObject({ metadata: { annotations: { "pulumi.com/autonamed": "true" } } });
  expect(withName({}, { kind: "Job" }, "load", seed)).toEqual(named);
  expect(nameOf(withName({}, { kind: "Job" }, "load", Buffer.from("other")))).not.toBe(nameOf(named));
});

test("a name that was made up is kept, one that was given is not", () => {
  const old = withName({}, {}, "load", seed);
  expect(nameOf(withName(old, { metadata: {} }, "load", Buffer.from("other")))).toBe(nameOf(old));
  const given = { metadata: { name: "given" } };
  expect(withName(old, given, "load", seed)).toBe(given);
  expect(nameOf(withName(given, {}, "load", seed))).toMatch(/^load-/);
});

test("a name that is not known yet is left so", () => {
  const unknown = { metadata: { name: UNKNOWN } };
  expect(withName({}, unknown, "load", seed)).toBe(unknown);
  expect(withName({}, { metadata: UNKNOWN }, "load", seed)).toEqual({ metadata: UNKNOWN });
});

test("a namespace is filled in where none is given", () => {
  expect(withNamespace({ metadata: { name: "a" } }, "n")).toEqual({
    metadata: { name: "a", namespace: "n" },
  });
  const given = { metadata: { namespace: "m" } };
  expect(withNamespace(given, "n")).toBe(given);
});

test("a resource keeps its field manager, and has the one that it asks for", () => {
  const first = withFieldManager({}, { kind: "Job" }, seed);
  expect(first["__fieldManager"]).toMatch(/^pulumi-kubernetes-[0-9a-f]{8}$/);
  expect(withFieldManager(first, { kind: "Job" }, Buffer.from("other"))).toEqual(first);
  // One that another plugin has made is in the outputs only.
  expect(withFieldManager({ kind: "Job" }, { kind: "Job" }, seed)).toEqual({ kind: "Job" });
  const annotations = { "pulumi.com/patchFieldManager": "mine" };
  expect(withFieldManager(first, { metadata: { annotations } }, seed)).toMatchObject({
    __fieldManager: "mine",
  });
});

import { describe, expect, test } from "vitest";
import { ApiError, conflictsOf, faultsOf, pulumiPath } from "../../toolchain/kubernetes-plugin/api-error";

const refused = (
  status: number,
  message: string,
  causes?: { field: string; message: string; reason?: string }[],
) => new ApiError(status, { message, details: { causes } });

describe("a refused dry run", () => {
  test("names every property with the server's own reason", () => {
    const error = refused(422, "Deployment is invalid", [
      { field: "spec.template.spec.containers[0].image", message: "Required value" },
      { field: "spec.replicas", message: "Invalid value: -1: must be greater than or equal to 0" },
    ]);
    expect(faultsOf(error)).toEqual([
      { path: "spec.template.spec.containers[0].image", reason: "Required value" },
      { path: "spec.replicas", reason: "Invalid value: -1: must be greater than or equal to 0" },
    ]);
  });

  test("names the fields that the kind does not have", () => {
    const one =
      "failed to create typed patch object (a/b; apps/v1, Kind=Deployment): .spec.replicaz: field not declared in schema";
    expect(faultsOf(refused(500, one))).toEqual([
      { path: "spec.replicaz", reason: "field not declared in schema" },
    ]);
    const several =
      'failed to create typed patch object (a/b; apps/v1, Kind=Deployment): errors:\n  .spec.template.spec.containers[name="c"].imag: field not declared in schema\n  .spec.x: expected string, got &{1}';
    expect(faultsOf(refused(500, several)).map(({ path }) => path)).toEqual([
      'spec.template.spec.containers[name="c"].imag',
      "spec.x",
    ]);
    const strict = 'strict decoding error: unknown field "spec.size", unknown field "spec.colour"';
    expect(faultsOf(refused(400, strict))).toEqual([
      { path: "spec.size", reason: "unknown field" },
      { path: "spec.colour", reason: "unknown field" },
    ]);
  });

  test.each([
    [404, 'namespaces "a" not found'],
    [403, 'pods "a" is forbidden: error looking up service account a/b: serviceaccount "b" not found'],
    [403, 'deployments is forbidden: User "u" cannot patch resource "deployments"'],
    [403, 'pods "a" is forbidden: exceeded quota: q, requested: cpu=1'],
    [500, "Internal error occurred: failed calling webhook"],
  ])("finds no fault with the object where the reason is another: %i %s", (status, message) => {
    expect(faultsOf(refused(status, message))).toEqual([]);
  });

  test("finds no fault with what only a replacement can change", () => {
    const error = refused(422, "invalid", [
      { field: "spec.selector", message: "Invalid value: {}: field is immutable" },
      {
        field: "spec",
        message: "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
      },
    ]);
    expect(faultsOf(error)).toEqual([]);
  });

  test("passes on what an admission controller says", () => {
    const message = 'pods "a" is forbidden: violates PodSecurity "restricted:latest": privileged';
    expect(faultsOf(refused(403, message))).toEqual([{ path: "", reason: message }]);
  });
});

test("a conflict names the fields and their manager", () => {
  const error = refused(409, "conflict", [
    {
      field: ".spec.replicas",
      reason: "FieldManagerConflict",
      message: 'conflict with "kubectl" using apps/v1',
    },
  ]);
  expect(conflictsOf(error)).toEqual(['spec.replicas: conflict with "kubectl" using apps/v1']);
});

test("paths are in Pulumi's form", () => {
  expect(pulumiPath("metadata.labels[a.b/c]")).toBe('metadata.labels["a.b/c"]');
  expect(pulumiPath(".spec.ports[0].port")).toBe("spec.ports[0].port");
});

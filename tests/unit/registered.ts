import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";

/** A resource that a program has declared, with what it was given. */
export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  /** Properties that hold a secret. */
  secretInputs: string[];
}

const secretMark = "4dabf18193072939515e22adb298388d";

/** The value without the envelopes that mark secrets, at any depth. */
function opened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(opened);
  if (typeof value !== "object" || value === null) return value;
  const record = value as Record<string, unknown>;
  if (secretMark in record) return opened(record["value"]);
  return Object.fromEntries(Object.entries(record).map(([key, each]) => [key, opened(each)]));
}

const hasSecret = (value: unknown) => JSON.stringify(value ?? null).includes(secretMark);

/** Takes down every resource that is declared from now on. */
export async function recordResources(stack: string): Promise<Registered[]> {
  const registered: Registered[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const all = Object.entries(inputs as Record<string, unknown>);
        registered.push({
          type,
          name,
          inputs: opened(inputs) as Record<string, unknown>,
          secretInputs: all.filter(([, value]) => hasSecret(value)).map(([key]) => key),
        });
        return { id: `${name}-id`, state: withNames(name, inputs as Record<string, unknown>) };
      },
      call: ({ inputs }) => inputs as Record<string, unknown>,
    },
    "lakestack",
    stack,
  );
  return registered;
}

/** What an engine would add: an image's ID and digest, an object's name where it was not given. */
function withNames(name: string, inputs: Record<string, unknown>): Record<string, unknown> {
  const metadata = (inputs["metadata"] ?? {}) as Record<string, unknown>;
  const digest = `sha256:${createHash("sha256").update(name).digest("hex")}`;
  return {
    ...inputs,
    imageId: digest,
    sha256Digest: digest,
    metadata: { name: `${name}-1a2b3c4`, ...metadata },
  };
}

/** Resources are declared in the background: waits for all of them. */
export const settle = () => pulumi.runtime.disconnect();

/** Sets the defaults of Pulumi.yaml, and some values beside them. */
export function configure(values: Record<string, string>, secretKeys: string[] = []): void {
  const declared = parse(readFileSync("Pulumi.yaml", "utf8")) as {
    config: Record<string, { default: string | number | boolean }>;
  };
  const defaults = Object.entries(declared.config).map(([key, { default: value }]) => [key, String(value)]);
  const all = { ...(Object.fromEntries(defaults) as Record<string, string>), ...values };
  pulumi.runtime.setAllConfig(
    Object.fromEntries(Object.entries(all).map(([key, value]) => [`lakestack:${key}`, value])),
    secretKeys.map((key) => `lakestack:${key}`),
  );
}

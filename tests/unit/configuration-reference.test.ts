import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { configurationReference, currentReference } from "../../commands/configuration-reference";

describe("the configuration reference", () => {
  it("has a row for each key, with type, default and meaning", () => {
    const text = configurationReference(
      "config:\n  port: { type: integer, default: 1, description: A port. }\n",
    );
    expect(text).toContain("| `port` | integer | `1` | A port. |");
  });

  it("is up to date in docs/ (else: npm run docs)", () => {
    expect(readFileSync("docs/configuration.md", "utf8")).toBe(currentReference());
  });
});

import { readFileSync } from "node:fs";
import { ConfigError } from "./config";

/**
 * Reads a file that the configuration names.
 *
 * @param key the configuration key with its name.
 * @throws ConfigError if it can't be read. What is in it is not looked at.
 */
export function readPemFile(key: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new ConfigError([
      { key, value: file, expected: "the name of a PEM file that can be read, from the project's folder" },
    ]);
  }
}

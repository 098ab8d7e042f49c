import { readFile } from "node:fs/promises";
import * as path from "node:path";
import { parse } from "yaml";
import { projectFolder } from "../toolchain/index";

/** The stack's configuration file, which also holds its secrets, encrypted. */
export function configFile(stack: string, folder = projectFolder): string {
  return path.join(folder, `Pulumi.${stack}.yaml`);
}

/** The stack's plain settings as the program will see them: what the stack's file says, else the declared default. */
export class Settings {
  private constructor(
    private readonly declared: Record<string, unknown>,
    private readonly chosen: Record<string, unknown>,
  ) {}

  static async read(stack: string, folder = projectFolder): Promise<Settings> {
    const config = async (file: string) => {
      const text = await readFile(file, "utf8").catch(() => "");
      return ((parse(text) ?? {}) as { config?: Record<string, unknown> }).config ?? {};
    };
    return new Settings(
      await config(path.join(folder, "Pulumi.yaml")),
      await config(configFile(stack, folder)),
    );
  }

  get(key: string): unknown {
    const declaration = this.declared[key] as { default?: unknown } | undefined;
    return this.chosen[`lakestack:${key}`] ?? declaration?.default;
  }

  /** As `pulumi config set` writes it, "true" may be a string. */
  isOn(key: string): boolean {
    return String(this.get(key)) === "true";
  }

  /** The file that the stack's own people bring Trino's certificate in; empty if the stack makes it. */
  get ownCertificate(): string {
    return String(this.get("trinoCertificateFile"));
  }

  /** The ports that the services will be published at, with the configuration key of each. */
  ports(): [key: string, port: number][] {
    const off = new Set([
      ...(this.isOn("objectStoreConsole") ? [] : ["objectStoreConsolePort"]),
      ...(this.isOn("publishCatalog") ? [] : ["catalogPort"]),
    ]);
    return Object.keys(this.declared).flatMap((key): [string, number][] => {
      const first = Number(this.get(key));
      // What is no port is left to the program, which says what is wrong with it.
      if (!key.endsWith("Port") || off.has(key) || !Number.isInteger(first) || first < 1) return [];
      // Each worker after the first takes the next number.
      const count = key === "sparkWorkerPort" ? Number(this.get("sparkWorkers")) || 1 : 1;
      const ports = Array.from({ length: count }, (_, index) => first + index);
      return ports.filter((port) => port < 65536).map((port) => [key, port]);
    });
  }
}

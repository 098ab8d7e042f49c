import { ConfigError } from "../../infra/config";

/** What is said of a configuration that is refused. */
export function faultsIn(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("The configuration was accepted");
}

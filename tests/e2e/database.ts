import { execute } from "./docker";

/**
 * What psql prints, asking by the address that services call; or what it is told when it is refused.
 *
 * @param tls how it asks for TLS, in libpq's words.
 */
export async function ask(
  role: string,
  password: string,
  database: string,
  statement: string,
  tls: "disable" | "require" = "require",
): Promise<string> {
  const psql = 'PGPASSWORD="$1" PGSSLMODE="$5" psql -qAtw -h database -U "$2" -d "$3" -c "$4" 2>&1 || true';
  const output = await execute("database", [
    "/bin/sh",
    "-c",
    psql,
    "sh",
    password,
    role,
    database,
    statement,
    tls,
  ]);
  return output.trim();
}

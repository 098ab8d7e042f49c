import { execute } from "./docker";

/** What psql prints, asking by the address that services call; or what it is told when it is refused. */
export async function ask(
  role: string,
  password: string,
  database: string,
  statement: string,
): Promise<string> {
  const psql = 'PGPASSWORD="$1" psql -qAtw -h database -U "$2" -d "$3" -c "$4" 2>&1 || true';
  const output = await execute("database", [
    "/bin/sh",
    "-c",
    psql,
    "sh",
    password,
    role,
    database,
    statement,
  ]);
  return output.trim();
}

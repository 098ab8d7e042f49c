import { inject } from "vitest";
import { query as queryAt } from "../../commands/trino-query";
import { type Login, npmRun, outputs } from "./lakestack";

/** Users whom the stack has had from its first `up`, an analyst and one of the role etl. Nobody changes them. */
export const { analyst, etl } = inject("people");

/** The password that `npm run user` printed, on a line of its own. */
export const printedPassword = (stdout: string) =>
  /^ {2}([A-Za-z0-9]{24})$/m.exec(stdout)?.[1] ?? "none was printed";

/** Lets somebody in, as an administrator does. Trino is told by an update of its own, so it takes a while. */
export async function addUser(name: string, role: string): Promise<Login> {
  const { stdout } = await npmRun("user", "add", name, "--role", role);
  return { name, password: printedPassword(stdout) };
}

/** Runs a statement as this user, at the published port. */
export const queryAs = ({ name, password }: Login, statement: string) =>
  queryAt({ url: outputs.trinoUrl, user: name, password, ca: outputs.caCertificate }, statement);

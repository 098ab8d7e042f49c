import { query as queryAt } from "../../commands/trino-query";
import { npmRun, outputs } from "./lakestack";

/** Somebody who can log in to Trino. */
export interface Login {
  name: string;
  password: string;
}

/** The password that `npm run user` printed, on a line of its own. */
export const printedPassword = (stdout: string) =>
  /^ {2}([A-Za-z0-9]{24})$/m.exec(stdout)?.[1] ?? "none was printed";

/** Lets somebody in, as an administrator does. */
export async function addUser(name: string, role: string): Promise<Login> {
  const { stdout } = await npmRun("user", "add", name, "--role", role);
  return { name, password: printedPassword(stdout) };
}

/** Runs a statement as this user, at the published port. */
export const queryAs = ({ name, password }: Login, statement: string) =>
  queryAt({ url: outputs.trinoUrl, user: name, password, ca: outputs.caCertificate }, statement);

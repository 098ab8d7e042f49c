import { setTimeout as sleep } from "node:timers/promises";
import { text } from "node:stream/consumers";
import { airflowUser } from "../infra/users";
import { ensurePulumi, UserError } from "../toolchain/index";
import { type Command, type Context, readOptions } from "./command";
import { carrierOf, effectLater, effectSoon, tellTrino } from "./live-files";
import { PulumiCli, type State } from "./pulumi-cli";
import { Settings } from "./settings";
import { stackOutputs } from "./stack-outputs";
import { table } from "./table";
import { query } from "./trino-query";
import { UserStore } from "./user-store";

const usage = `npm run user -- list                     who may log in to Trino, and as what
npm run user -- add NAME --role ROLE     lets somebody in as admin, etl or analyst; prints the password, once
npm run user -- passwd NAME              gives another password and prints it; the old one ends
npm run user -- remove NAME              lets somebody in no longer
  --password-stdin                       with add and passwd: read the password from standard input, and print none`;

export const command: Command = {
  usage,
  afterInterrupt: "What was kept in the configuration is in effect with the next npm run up (or pulumi up).",
  async run(args, context) {
    const { values, positionals } = readOptions(
      usage,
      args,
      { role: { type: "string" }, "password-stdin": { type: "boolean", default: false } },
      true,
    );
    const [verb = "", name = "", ...others] = positionals;
    const action = actions.get(verb);
    if ((verb !== "list" && action === undefined) || others.length > 0 || (name === "") !== (verb === "list"))
      throw new UserError(
        others.length > 0
          ? `"${others.join(" ")}" is too much. A password is never given here, where every process sees it.`
          : "Say what to do, and with whom.",
        usage,
      );
    const given = values["password-stdin"] ? await passwordFromInput() : undefined;

    const { env } = await ensurePulumi(context.reporter, context.signal);
    const cli = new PulumiCli(context.stack, env, context.signal);
    const state = await cli.state();
    if (state === undefined)
      throw new UserError(`There is no stack ${context.stack} yet.`, "Bring it up first: npm run up");
    const store = await UserStore.open(cli, await Settings.read(context.stack));
    if (action === undefined) {
      console.log(listing(store));
      return 0;
    }
    const password = await action(store, name, { role: values.role, given });
    // First of all: whatever comes next, nobody can be told it later.
    if (password !== undefined && given === undefined) {
      console.log(`Password of ${name}, shown this once:\n\n  ${password}\n`);
    }
    const login = password === undefined ? undefined : { name, password };
    console.log(await takeEffect(cli, state, context, login));
    return 0;
  },
};

type Action = (
  store: UserStore,
  name: string,
  options: { role: string | undefined; given: string | undefined },
) => Promise<string | undefined>;

/** Each keeps its change in the configuration, and says which password the user then has, if one. */
const actions = new Map<string, Action>([
  ["add", (store, name, { role, given }) => store.add(name, role, given)],
  ["passwd", (store, name, { given }) => store.changePassword(name, given)],
  ["remove", (store, name) => store.remove(name).then(() => undefined)],
]);

function listing(store: UserStore): string {
  const rows = [
    [store.administrator, "admin", "the stack's administrator; password: secret trinoPassword"],
    [airflowUser, "etl", "the pipelines' own"],
    ...store
      .list()
      .map(({ name, role, hasPassword }) => [
        name,
        role,
        hasPassword ? "" : `no password yet: npm run user -- passwd ${name}`,
      ]),
  ];
  return table(["user", "role", ""], rows);
}

/** A password that somebody else has made; the end of its line is not part of it. */
async function passwordFromInput(): Promise<string> {
  if (process.stdin.isTTY) {
    throw new UserError(
      "--password-stdin reads a password from another program or a file, and here is a terminal, which would show it.",
      "For example: npm run user -- passwd ann --password-stdin < FILE. Without it, a password is generated.",
    );
  }
  return (await text(process.stdin)).replace(/\r?\n$/, "");
}

/** Seconds in which Trino has seen what changed: it looks every two. */
const noticeSeconds = 3;

/**
 * Brings what the configuration says now to a stack that is up: that alone, whatever else waits for the next `up`.
 *
 * @param login who can log in then.
 * @returns what to tell the user.
 */
async function takeEffect(
  cli: PulumiCli,
  state: State,
  context: Context,
  login: { name: string; password: string } | undefined,
): Promise<string> {
  const resource = carrierOf(state);
  if (resource === undefined) return effectLater;

  await tellTrino(cli, resource, context);
  if (resource.type.startsWith("kubernetes:")) return effectSoon;
  await sleep(noticeSeconds * 1000);
  if (login === undefined)
    return "In effect: no login from now on. Queries that run already end by themselves.";
  return (await canLogIn(cli, login))
    ? `In effect: ${login.name} can log in.`
    : `Trino has been told, but ${login.name} could not log in yet. See npm run status and npm run logs -- trino.`;
}

async function canLogIn(
  cli: PulumiCli,
  { name, password }: { name: string; password: string },
): Promise<boolean> {
  const { trinoUrl: url, caCertificate: ca } = stackOutputs(await cli.outputs());
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await query({ url, user: name, password, ca }, "SELECT 1");
      return true;
    } catch {
      await sleep(1000);
    }
  }
  return false;
}

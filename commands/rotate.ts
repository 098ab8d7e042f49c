import { writeFile } from "node:fs/promises";
import {
  changesWith,
  isRotationName,
  newValues,
  pendingNames,
  type PendingRotation,
  restartsFor,
  type RotationName,
  rotations,
} from "../infra/rotation";
import { documentKey, rotationKey } from "../infra/secret-keys";
import { chosenSecrets, type SecretValues } from "../infra/secrets";
import { elapsed, ensurePulumi, UserError } from "../toolchain/index";
import { caFile } from "./certificate-facts";
import { type Command, type Context, readOptions } from "./command";
import { carrierOf, updateStack } from "./live-files";
import { prepareMachine } from "./prepare";
import { PulumiCli, type State } from "./pulumi-cli";
import { endRotation, isRotating } from "./rotation";
import { Settings } from "./settings";
import { stackOutputs } from "./stack-outputs";
import { table } from "./table";
import { deploy } from "./up";

const usage = `npm run rotate -- --list                 the stack's secrets, and which services restart for each
npm run rotate -- NAME …                 gives these another value, everywhere; each service restarts at most once
npm run rotate -- all                    gives all of them another value
  --except NAME                          with all: leaves this one as it is (may be given several times)
  --replace-chosen                       also those that somebody has chosen: from then on they are generated
npm run rotate -- --finish               ends a rotation that was interrupted, and begins none`;

/** What is asked for. */
interface Request {
  names: RotationName[];
  /** Was "all" said: what this stack can't change is left out then, instead of being refused. */
  all: boolean;
  replaceChosen: boolean;
}

export const command: Command = {
  usage,
  afterInterrupt:
    "Old and new values are kept until all services have the new ones: npm run rotate -- --finish goes on from here, and so does npm run up.",
  async run(args, context) {
    const { values, positionals } = readOptions(
      usage,
      args,
      {
        list: { type: "boolean", default: false },
        finish: { type: "boolean", default: false },
        except: { type: "string", multiple: true, default: [] },
        "replace-chosen": { type: "boolean", default: false },
      },
      true,
    );
    const settings = await Settings.read(context.stack);
    const request = readRequest(positionals, values.except, values["replace-chosen"]);
    if (values.list || (request.names.length === 0 && !values.finish)) {
      console.log(listing(settings));
      return 0;
    }
    const left = request.all ? request.names.filter((name) => unavailable(name, settings)) : [];
    const names = request.names.filter((name) => !left.includes(name));
    refuseUnavailable(names, settings);
    const replaced = chosenAmong(names, settings);
    if (!request.replaceChosen) refuseChosen(replaced, request.all);

    const { env } = await ensurePulumi(context.reporter, context.signal);
    const cli = new PulumiCli(context.stack, env, context.signal);
    const state = await cli.state();
    const known = state && (await cli.config(documentKey));
    if (state === undefined || known === undefined)
      throw new UserError(`Stack ${context.stack} has no secrets yet.`, "Bring it up first: npm run up");
    const kept = isRotating(settings) ? await cli.config(rotationKey) : undefined;
    const before = JSON.parse(kept ?? "{}") as PendingRotation;
    const pending = await newValues(JSON.parse(known) as SecretValues, names, before);
    if (Object.keys(pending).length === 0) {
      console.log("No rotation is under way.");
      return 0;
    }
    // Written at once: whatever happens from here on, an up completes it.
    if (JSON.stringify(pending) !== kept) await cli.setSecret(rotationKey, JSON.stringify(pending));
    for (const name of replaced) await cli.removeConfig(name);
    if (kept !== undefined)
      console.log(`Going on with the rotation of ${pendingNames(before).join(", ")}, which was interrupted.`);
    for (const name of left) console.log(`Left as it is: ${name}. ${unavailable(name, settings) ?? ""}`);

    console.log(await takeEffect(cli, state, pendingNames(pending), settings, context));
    return 0;
  },
};

/** @throws UserError for what is no secret, with those that there are. */
export function readRequest(
  words: readonly string[],
  except: readonly string[],
  replaceChosen: boolean,
): Request {
  const all = words.includes("all");
  const spared = new Set(except.map(nameOf));
  const named = all ? [...rotations.keys()] : words.map(nameOf);
  if (all && words.length > 1)
    throw new UserError('"all" leaves nothing to name beside it.', "Leave some out: --except NAME");
  if (!all && except.length > 0)
    throw new UserError(
      "--except leaves something out of all secrets.",
      "npm run rotate -- all --except NAME",
    );
  return { names: [...new Set(named)].filter((name) => !spared.has(name)), all, replaceChosen };
}

function nameOf(word: string): RotationName {
  if (isRotationName(word)) return word;
  const other = changesWith(word);
  throw new UserError(
    other === undefined ? `There is no secret "${word}".` : `${word} changes together with ${other}.`,
    other === undefined
      ? `These can be rotated: ${[...rotations.keys()].join(", ")}; or all.\nWhat each is for: npm run rotate -- --list`
      : `npm run rotate -- ${other}`,
  );
}

const storeSecrets = new Set<RotationName>([
  "objectStorePassword",
  "catalogObjectStoreKey",
  "sparkObjectStoreKey",
]);

/** Why this stack can't give a secret another value, and who can; undefined if it can. */
export function unavailable(name: RotationName, settings: Settings): string | undefined {
  const text = (key: string) => {
    const value = settings.get(key);
    return typeof value === "string" ? value : "";
  };
  const onAws = text("platform") === "aws";
  if (storeSecrets.has(name)) {
    if (onAws) return "On AWS the services have roles, whose keys AWS changes by itself.";
    const endpoint = text("objectStoreEndpoint");
    if (endpoint !== "") return `It is a key of the object store at ${endpoint}: change it there.`;
  }
  if (name === "databasePassword") {
    if (onAws) return "AWS changes the database's master password by itself, every seven days.";
    const address = text("databaseAddress");
    if (address !== "")
      return `The administrator of ${address} has the password databaseAdministratorPassword: change it there, then pulumi config set --secret databaseAdministratorPassword.`;
  }
  if (name === "trinoCertificate" || name === "caCertificate") {
    if (text("trinoIssuer") !== "")
      return `cert-manager's issuer ${text("trinoIssuer")} makes and renews it.`;
    if (settings.ownCertificate !== "")
      return `It is your own, from ${settings.ownCertificate}: put another there and run npm run up (or pulumi up).`;
  }
  return undefined;
}

function refuseUnavailable(names: readonly RotationName[], settings: Settings): void {
  const reasons = names.flatMap((name) => {
    const reason = unavailable(name, settings);
    return reason === undefined ? [] : [`${name}: ${reason}`];
  });
  if (reasons.length === 0) return;
  throw new UserError(
    `Not this stack's to change:\n${reasons.join("\n")}`,
    "What can be rotated here: npm run rotate -- --list",
  );
}

/** Those with a value in the stack's configuration that somebody has put there: it counts, not the generated one. */
export const chosenAmong = (names: readonly RotationName[], settings: Settings) =>
  chosenSecrets.filter((name) => names.includes(name) && settings.get(name) !== undefined);

function refuseChosen(names: readonly string[], all: boolean): void {
  if (names.length === 0) return;
  throw new UserError(
    `Somebody has chosen ${names.join(", ")}, and what is chosen counts: a generated value would change nothing.`,
    [
      ...names.map((name) => `Choose another:  pulumi config set --secret ${name}     then npm run up`),
      "Have it generated from now on: add --replace-chosen",
      ...(all ? [`Leave it as it is: add ${names.map((name) => `--except ${name}`).join(" ")}`] : []),
    ].join("\n"),
  );
}

function listing(settings: Settings): string {
  const chosen = chosenAmong([...rotations.keys()], settings);
  const rows = [...rotations].map(([name, { opens, restarts }]) => {
    const reason = unavailable(name, settings);
    const mark = (chosen as string[]).includes(name) ? " (chosen by somebody)" : "";
    return reason === undefined
      ? [name, opens + mark, brief(restarts)]
      : [name, opens, `not here: ${reason}`];
  });
  return [
    table(["secret", "what it opens", "services that restart, once each"], rows),
    "",
    "Change some:  npm run rotate -- NAME …     all of them:  npm run rotate -- all",
    "Passwords of users: npm run user -- passwd NAME. Keys of sources outside the stack are set as before: docs/configuration.md.",
    ...(isRotating(settings)
      ? ["", "A rotation was interrupted. Go on with it: npm run rotate -- --finish, or npm run up"]
      : []),
  ].join("\n");
}

/** Groups of services that always go together, in one word. */
function brief(restarts: readonly string[]): string {
  if (restarts.length === 0) return "none: taken while it runs";
  const groups = restarts.map((name) => /^(airflow|spark)-/.exec(name)?.[1] ?? name);
  const alone = restarts.length === 1 ? restarts : groups;
  return [...new Set(alone)].join(", ");
}

/**
 * Brings the new values to a stack that is up, by the same `up` as ever.
 *
 * @returns what to tell the user.
 */
async function takeEffect(
  cli: PulumiCli,
  state: State,
  names: RotationName[],
  settings: Settings,
  context: Context,
): Promise<string> {
  if (carrierOf(state) === undefined)
    return `Kept in the stack's configuration: ${names.join(", ")}. The stack is not up; in effect with the next npm run up (or pulumi up).`;

  const began = performance.now();
  const onDocker = String(settings.get("platform")) === "docker";
  const { restarted } = onDocker
    ? await deploy(cli, (await prepareMachine(context)).docker, context.reporter)
    : await updateStack(cli, "Rotating", [], context);
  await endRotation(cli, context);
  const took = elapsed(performance.now() - began);

  const { caCertificate } = stackOutputs(await cli.outputs());
  if (onDocker && names.includes("caCertificate")) await writeFile(caFile(context.stack), caCertificate);
  return report({ stack: context.stack, names, restarted, took, onDocker });
}

/** What was done, and what is left to do for people. No value is told. */
export function report(facts: {
  stack: string;
  names: readonly RotationName[];
  restarted: readonly string[];
  took: string;
  onDocker: boolean;
}): string {
  const { stack, names, restarted, took, onDocker } = facts;
  const option = stack === "dev" ? "" : ` --stack ${stack}`;
  const outputs = chosenSecrets.filter((name) => names.includes(name));
  const [first] = outputs;
  const services = restarted.toSorted();
  const planned = restartsFor(names);
  return [
    `Rotated in ${took}: ${names.join(", ")}.`,
    services.length === 0
      ? `Restarted: nothing${planned.length === 0 ? "" : ", for the services had the new values already"}.`
      : `Restarted, once each: ${services.join(", ")}.`,
    "The old values are refused from now on.",
    ...(first === undefined
      ? []
      : [
          "",
          'Read a new password (eval "$(npm run -s env)" makes the pulumi command ready):',
          ...outputs.map((name) => `  pulumi stack output ${name} --show-secrets${option}`),
        ]),
    ...(names.includes("caCertificate")
      ? [
          "",
          "Clients that have the old authority cannot connect to Trino from now on: give each of them the new one, " +
            (onDocker ? caFile(stack) : `pulumi stack output caCertificate${option}`),
        ]
      : []),
  ].join("\n");
}

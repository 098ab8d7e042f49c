import { readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { documentKey } from "../infra/secret-keys";
import { type SecretValues, withNewCertificate } from "../infra/secrets";
import { ensurePulumi, projectFolder, UserError } from "../toolchain/index";
import {
  authorityFacts,
  caFile,
  type CertificateFacts,
  certificateTable,
  serverFacts,
  shownAt,
  warnings,
} from "./certificate-facts";
import { type Command, type Context, readOptions } from "./command";
import { carrierOf, effectLater, effectSoon, tellTrino, updateStack } from "./live-files";
import { PulumiCli, type State } from "./pulumi-cli";
import { isRotating } from "./rotation";
import { Settings } from "./settings";
import { stackOutputs } from "./stack-outputs";

const usage = `npm run certificates [-- OPTION]     Trino's certificate and its authority: for whom, by whom, days left
  --renew               gives Trino a new certificate of the same authority; clients notice nothing
  --renew-authority     replaces the authority, too: every client then needs the new ca.pem`;

export const command: Command = {
  usage,
  afterInterrupt:
    "What was changed in the configuration is in effect with the next npm run up (or pulumi up).",
  async run(args, context) {
    const { values } = readOptions(usage, args, {
      renew: { type: "boolean", default: false },
      "renew-authority": { type: "boolean", default: false },
    });
    const authority = values["renew-authority"];
    const settings = await Settings.read(context.stack);
    if (authority || values.renew) {
      assertMadeHere(settings);
      assertSettled(settings);
    }

    const { env } = await ensurePulumi(context.reporter, context.signal);
    const cli = new PulumiCli(context.stack, env, context.signal);
    const state = await cli.state();
    const document = state === undefined ? undefined : await cli.config(documentKey);
    if (state === undefined || document === undefined)
      throw new UserError(`Stack ${context.stack} has no certificates yet.`, "Bring it up first: npm run up");
    const own = settings.ownCertificate;
    const before = await certificates(cli, state, document, own);
    if (!authority && !values.renew) {
      print(before, own);
      return 0;
    }
    const renewed = JSON.stringify(await withNewCertificate(JSON.parse(document) as SecretValues, authority));
    await cli.setSecret(documentKey, renewed);
    const outcome = await takeEffect(cli, state, context, before[0]?.serial, authority);
    print(await certificates(cli, state, renewed));
    console.log(`\n${outcome}`);
    return 0;
  },
};

/** What a rotation brings in goes before what is kept. */
function assertSettled(settings: Settings): void {
  if (isRotating(settings))
    throw new UserError(
      "A rotation of secrets was interrupted; a certificate that is made now might not be the one that counts.",
      "End it first: npm run rotate -- --finish",
    );
}

/** Certificates of others are renewed by them. */
function assertMadeHere(settings: Settings): void {
  const issuer = String(settings.get("trinoIssuer"));
  if (issuer !== "")
    throw new UserError(
      `Trino's certificate is made and renewed by cert-manager's issuer ${issuer} (trinoIssuer).`,
      "Renew it there: cmctl renew trino-certificate. Trino takes it as it comes.",
    );
  const own = settings.ownCertificate;
  if (own !== "")
    throw new UserError(
      `Trino's certificate is your own, from ${own} (trinoCertificateFile).`,
      "Put another into that file and run npm run up (or pulumi up): Trino takes it while it runs.",
    );
}

/**
 * Trino's certificate, as it shows it or else as it will, and the authorities that clients trust.
 *
 * @param document the stack's secrets, as they are kept.
 * @param own the file that the certificate comes from, if the stack does not make it.
 */
async function certificates(
  cli: PulumiCli,
  state: State,
  document: string,
  own = "",
): Promise<CertificateFacts[]> {
  const outputs = carrierOf(state) === undefined ? undefined : stackOutputs(await cli.outputs());
  const shown = outputs && (await shownAt(outputs.trinoUrl, outputs.caCertificate));
  const kept = JSON.parse(document) as SecretValues;
  const made = own === "";
  const pem = made ? kept.trinoCertificate : await readFile(path.resolve(projectFolder, own), "utf8");
  const authorities = outputs?.caCertificate ?? (made ? kept.caCertificate : "");
  return [shown?.certificate ?? serverFacts(pem), ...authorityFacts(authorities)];
}

function print(all: readonly CertificateFacts[], own = ""): void {
  console.log(certificateTable(all));
  for (const warning of warnings(all, own)) console.log(`\n${warning}`);
}

/** Seconds in which Trino has taken a new certificate: it looks every two. */
const noticeSeconds = 20;

/**
 * Brings what the configuration says now to a stack that is up.
 *
 * @param serial of the certificate that Trino had before.
 * @returns what to tell the user.
 */
async function takeEffect(
  cli: PulumiCli,
  state: State,
  context: Context,
  serial: string | undefined,
  authority: boolean,
): Promise<string> {
  const resource = carrierOf(state);
  if (resource === undefined) return effectLater;

  if (authority) await updateStack(cli, "Replacing the authority", [], context);
  else await tellTrino(cli, resource, context);
  const { trinoUrl, caCertificate } = stackOutputs(await cli.outputs());
  const onDocker = resource.type.startsWith("docker:");
  const told = [
    ...(authority && onDocker ? [`The new authority is in ${caFile(context.stack)}.`] : []),
    ...(authority
      ? ["Clients that have the old one cannot connect from now on: give each of them the new one."]
      : []),
  ];
  if (authority && onDocker) await writeFile(caFile(context.stack), caCertificate);
  if (!onDocker) return [...told, effectSoon].join(" ");
  for (let second = 0; second < noticeSeconds; second++) {
    const shown = await shownAt(trinoUrl, caCertificate);
    if (shown !== undefined && shown.certificate.serial !== serial && shown.distrust === undefined)
      return [...told, "In effect: Trino shows the new certificate."].join(" ");
    await sleep(1000);
  }
  return [
    ...told,
    "Trino does not show the new certificate yet: npm run up brings it, or Trino's next start at the latest.",
  ].join(" ");
}

import { readFileSync } from "node:fs";
import { parse } from "yaml";

interface Setting {
  type: string;
  default: string | number | boolean;
  description: string;
}

/** The reference of all configuration keys, in Markdown, made from what Pulumi.yaml declares. */
export function configurationReference(pulumiYaml: string): string {
  const { config } = parse(pulumiYaml) as { config: Record<string, Setting> };
  const rows = Object.entries(config).map(
    ([key, { type, default: value, description }]) =>
      `| \`${key}\` | ${type} | \`${String(value)}\` | ${description.trim()} |`,
  );
  return [
    "# Configuration",
    "",
    "Made from `Pulumi.yaml` by `npm run docs`; change it there.",
    "",
    "Set a value for a stack with `pulumi config set KEY VALUE` (or in `Pulumi.STACK.yaml` as `lakestack:KEY`), then run",
    "`npm run up` or `pulumi up`. Wrong values are reported all at once, by key. Sources are declared in `sources.yaml`.",
    "",
    "| key | type | default | meaning |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
    "## Secrets",
    "",
    "All secrets are generated at first use and kept encrypted in the stack's configuration, under `secrets`. Three of them",
    "may be chosen instead, with at least 8 characters: `pulumi config set --secret trinoPassword` (likewise",
    "`airflowPassword`, `objectStorePassword`). Others in their place: `npm run rotate`, which keeps them under `rotation` until all",
    "services have them ([changing secrets](security.md#changing-secrets)).",
    "",
    "## Users of Trino",
    "",
    "Beside the stack's own: `npm run user -- add ann --role analyst` keeps the role in the clear, under `users`, and a hash of the",
    "password encrypted, under `userPasswords` ([access](access.md)).",
    "",
    "## People of an issuer",
    "",
    "What members of groups are of which the issuer (`oidcIssuer`) tells, and the secret by which it knows the stack",
    "([access](access.md#people-of-an-openid-connect-issuer)):",
    "",
    "```sh",
    "pulumi config set --path 'oidcGroups[\"data team\"]' analyst",
    "pulumi config set --secret oidcClientSecret",
    "```",
    "",
    "## Other secrets",
    "",
    "Keys of sources that lie outside the stack, by the name that the source's `credentials` gives:",
    "",
    "```sh",
    "pulumi config set --secret --path 'sourceCredentials.partner.accessKeyId' KEY",
    "pulumi config set --secret --path 'sourceCredentials.partner.secretAccessKey' SECRET",
    "```",
    "",
    "A URL that is sent a POST with JSON about every run that fails ([what](pipelines.md#when-a-run-fails)):",
    "",
    "```sh",
    "pulumi config set --secret failureWebhook URL",
    "```",
    "",
  ].join("\n");
}

/** The reference as it should be now. */
export function currentReference(): string {
  return configurationReference(readFileSync("Pulumi.yaml", "utf8"));
}

import type { Created, Diff, Fault, Provider, Subject, Values } from "../plugin-protocol/provider";
import { checkInputs } from "./check-inputs";
import { Declarations } from "./declarations";
import { knownLookUps, lookUp } from "./look-ups";
import { previewOutputs } from "./preview-outputs";

/**
 * The `aws` provider, for previews without an account: it holds every input against the SDK's own declarations and
 * answers look-ups from fixtures. It can make, change, read and delete nothing, and says so.
 */
export class AwsPreviewProvider implements Provider {
  readonly secretsBy = "part";
  private readonly declarations: Declarations;
  private region = "us-east-1";

  /** @param project the folder of the program, whose packages hold the SDK. */
  constructor(project: string) {
    this.declarations = new Declarations(project);
  }

  checkConfig(config: Values): Fault[] {
    const known = this.declarations.provider();
    const ignored = ["version", "pluginDownloadURL"];
    return Object.keys(config)
      .filter((name) => !known.has(name) && !ignored.includes(name) && !name.startsWith("__"))
      .map((name) => ({ path: name, reason: "is no setting of the provider" }));
  }

  configure(config: Values): void {
    if (typeof config["region"] === "string" && config["region"] !== "") this.region = config["region"];
  }

  invoke(token: string, args: Values): Values {
    const answer = lookUp(token, args, this.region);
    if (answer === undefined) {
      throw new Error(
        `The look-up ${token} has no answer in the stand-in for previews without an account; there are ${knownLookUps.join(", ")}`,
      );
    }
    return answer;
  }

  check({ type }: Subject, _olds: Values, news: Values): { inputs: Values; faults: Fault[] } {
    const members = this.declarations.resource(type);
    return members === undefined
      ? {
          inputs: news,
          faults: [{ path: "", reason: `${type} is no resource type of the installed @pulumi/aws` }],
        }
      : { inputs: news, faults: checkInputs(this.declarations, members, news) };
  }

  previewCreate({ type }: Subject, inputs: Values): Values {
    return previewOutputs(this.declarations, type, inputs);
  }

  diff(subject: Subject): Diff {
    throw refusal("compare", subject);
  }

  create(subject: Subject): Promise<Created> {
    return Promise.reject(refusal("create", subject));
  }

  read(subject: Subject): Promise<undefined> {
    return Promise.reject(refusal("read", subject));
  }

  update(subject: Subject): Promise<Values> {
    return Promise.reject(refusal("change", subject));
  }

  delete(subject: Subject): Promise<void> {
    return Promise.reject(refusal("delete", subject));
  }

  cancel(): void {
    // Nothing here takes time.
  }
}

function refusal(verb: string, { type, name }: Subject): Error {
  return Object.assign(
    new Error(
      `The stand-in for the aws plugin can't ${verb} ${type} ${name}: it is for previews of new stacks only`,
    ),
    {
      remedy: "Use the official plugin: pulumi plugin install resource aws, with credentials of an account.",
    },
  );
}

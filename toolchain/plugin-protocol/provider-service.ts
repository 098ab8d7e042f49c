import * as grpc from "@grpc/grpc-js";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import type { EngineLog } from "./engine-log";
import type { Diff, Difference, Fault, Provider, Subject, Values } from "./provider";
import { IncompleteError } from "./provider";
import { isNoPlainWord, Secrets, SecretTexts } from "./secrets";

/** What the plugin says that it is. */
export interface PluginIdentity {
  /** As in `pulumi-resource-NAME`. */
  name: string;
  /** The version that it stands in for. */
  version: string;
}

/**
 * A provider behind Pulumi's protocol. The SDK's own server for providers is of no use here: it hands on neither the
 * provider's configuration nor the old inputs, and it cannot say which property differs.
 */
export function providerService(
  provider: Provider,
  log: EngineLog,
  { name, version }: PluginIdentity,
): grpc.UntypedServiceImplementation {
  const known = new SecretTexts(isNoPlainWord);
  const answer = answerer(() => new Secrets(known, provider.secretsBy));
  /** The values of a request, with what its type keeps secret in any case. */
  const revealed = (secrets: Secrets, given: Struct | undefined, { type }: { type: string }): Values => {
    const plain = secrets.reveal(values(given));
    secrets.protect(plain, provider.secretProperties?.(type) ?? []);
    return plain;
  };

  return {
    getPluginInfo: answer(() => {
      const response = new PluginInfo();
      response.setVersion(version);
      return response;
    }),

    getSchema: answer(() => {
      const response = new messages.GetSchemaResponse();
      response.setSchema(JSON.stringify({ name, version }));
      return response;
    }),

    checkConfig: answer(async (request: messages.CheckRequest, secrets) => {
      const response = new messages.CheckResponse();
      response.setInputs(request.getNews());
      response.setFailuresList(
        failures(await provider.checkConfig(secrets.reveal(values(request.getNews())))),
      );
      return response;
    }),

    diffConfig: answer(async (request: messages.DiffRequest, secrets) => {
      const olds = secrets.reveal(values(request.getOldInputs() ?? request.getOlds()));
      const news = secrets.reveal(values(request.getNews()));
      const none: Diff = { differences: [], replace: false, deleteBeforeReplace: false };
      return diffResponse((await provider.diffConfig?.(olds, news)) ?? none);
    }),

    configure: answer(async (request: messages.ConfigureRequest, secrets) => {
      await provider.configure(secrets.reveal(values(request.getArgs())));
      const response = new messages.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      return response;
    }),

    invoke: answer(async (request: messages.InvokeRequest, secrets) => {
      const token = request.getTok();
      const args = secrets.reveal(values(request.getArgs()));
      const found = await provider.invoke?.(token, args);
      if (!found) throw new Error(`The function ${token} is not supported by the stand-in`);
      const response = new messages.InvokeResponse();
      response.setReturn(struct(found));
      return response;
    }),

    check: answer(async (request: messages.CheckRequest, secrets, another) => {
      const olds = another.reveal(values(request.getOlds()));
      const subject = subjectOf(request, log, secrets);
      const news = revealed(secrets, request.getNews(), subject);
      const seed = Buffer.from(request.getRandomseed_asU8());
      const { inputs, faults } = await provider.check(subject, olds, news, seed);
      const response = new messages.CheckResponse();
      response.setInputs(struct(secrets.conceal(inputs)));
      response.setFailuresList(failures(faults, secrets));
      return response;
    }),

    diff: answer(async (request: messages.DiffRequest, secrets) => {
      const subject = subjectOf(request, log, secrets);
      const outputs = revealed(secrets, request.getOlds(), subject);
      const inputs = secrets.reveal(values(request.getOldInputs()));
      const wanted = secrets.reveal(values(request.getNews()));
      const ignored = request.getIgnorechangesList();
      return diffResponse(await provider.diff(subject, { outputs, inputs }, wanted, ignored));
    }),

    create: answer(async (request: messages.CreateRequest, secrets) => {
      const subject = subjectOf(request, log, secrets);
      const inputs = revealed(secrets, request.getProperties(), subject);
      const response = new messages.CreateResponse();
      // In a preview, what only the provider's other side can tell is left out, and so unknown to the program.
      const created = request.getPreview()
        ? { id: "", outputs: (await provider.previewCreate?.(subject, inputs)) ?? inputs }
        : await provider.create(subject, inputs);
      response.setId(created.id);
      response.setProperties(struct(secrets.conceal(created.outputs)));
      return response;
    }),

    read: answer(async (request: messages.ReadRequest, secrets) => {
      const subject = subjectOf(request, log, secrets);
      const outputs = revealed(secrets, request.getProperties(), subject);
      const inputs = secrets.reveal(values(request.getInputs()));
      const found = await provider.read(subject, request.getId(), { outputs, inputs });
      const response = new messages.ReadResponse();
      response.setId(found?.id ?? "");
      response.setProperties(struct(secrets.conceal(found?.outputs ?? {})));
      response.setInputs(struct(secrets.conceal(found?.inputs ?? {})));
      return response;
    }),

    update: answer(async (request: messages.UpdateRequest, secrets, another) => {
      const subject = subjectOf(request, log, secrets);
      const outputs = another.reveal(values(request.getOlds()));
      const state = { outputs, inputs: another.reveal(values(request.getOldInputs())) };
      const inputs = revealed(secrets, request.getNews(), subject);
      const [id, ignored] = [request.getId(), request.getIgnorechangesList()];
      const updated = request.getPreview()
        ? ((await provider.previewUpdate?.(subject, id, state, inputs, ignored)) ?? { ...outputs, ...inputs })
        : await provider.update(subject, id, state, inputs, ignored);
      const response = new messages.UpdateResponse();
      response.setProperties(struct(secrets.conceal(updated)));
      return response;
    }),

    delete: answer(async (request: messages.DeleteRequest, secrets) => {
      const subject = subjectOf(request, log, secrets);
      const outputs = revealed(secrets, request.getProperties(), subject);
      const inputs = secrets.reveal(values(request.getOldInputs()));
      await provider.delete(subject, request.getId(), { outputs, inputs });
      return new Empty();
    }),

    construct: answer((request: messages.ConstructRequest) => {
      throw new Error(`The component ${request.getType()} is not supported by the stand-in`);
    }),

    cancel: answer(() => {
      provider.cancel();
      return new Empty();
    }),
  };
}

type Answerer = <Request, Response>(
  respond: (request: Request, secrets: Secrets, another: Secrets) => Response | Promise<Response>,
) => grpc.handleUnaryCall<Request, Response>;

/**
 * Makes methods of the protocol. Whatever one throws reaches the user without the secrets that came with the request.
 *
 * @param freshSecrets for each request: those of its values that come back, and others for values that do not, so that
 *   what was secret only in these is not secret from then on
 */
function answerer(freshSecrets: () => Secrets): Answerer {
  return (respond) => (call, callback) => {
    const secrets = freshSecrets();
    (async () => respond(call.request, secrets, freshSecrets()))().then(
      (response) => {
        callback(null, response);
      },
      (error: unknown) => {
        callback(serviceError(error, secrets));
      },
    );
  };
}

interface AboutAResource {
  getUrn(): string;
  getTimeout?(): number;
}

function subjectOf(request: AboutAResource, log: EngineLog, secrets: Secrets): Subject {
  const urn = request.getUrn();
  // urn:pulumi:<stack>::<project>::<parent type>$<type>::<name>; only the name may hold "::" itself
  const [, , types = "", ...name] = urn.split("::");
  return {
    type: types.split("$").at(-1) ?? "",
    name: name.join("::"),
    info: (text) => {
      log.info(urn, secrets.redact(text));
    },
    warn: (text) => {
      log.warn(urn, secrets.redact(text));
    },
    status: (text) => {
      log.status(urn, secrets.redact(text));
    },
    timeout: request.getTimeout?.() ?? 0,
  };
}

function values(given: Struct | undefined): Values {
  return given ? given.toJavaScript() : {};
}

function struct(given: Values): Struct {
  return Struct.fromJavaScript(given as Record<string, JavaScriptValue>);
}

function failures(faults: Fault[], secrets?: Secrets): messages.CheckFailure[] {
  return faults.map(({ path, reason }) => {
    const failure = new messages.CheckFailure();
    failure.setProperty(path);
    failure.setReason(secrets?.redact(reason) ?? reason);
    return failure;
  });
}

function diffResponse(diff: Diff): messages.DiffResponse {
  const { DIFF_NONE, DIFF_SOME } = messages.DiffResponse.DiffChanges;
  const response = new messages.DiffResponse();
  const hasChanges = diff.replace || diff.differences.length > 0;
  response.setChanges(hasChanges ? DIFF_SOME : DIFF_NONE);
  response.setDeletebeforereplace(diff.replace && diff.deleteBeforeReplace);
  response.setHasdetaileddiff(true);
  for (const difference of diff.differences) {
    response.addDiffs(difference.property);
    response.getDetaileddiffMap().set(difference.property, propertyDiff(difference));
    if (difference.change === "replace") response.addReplaces(difference.property);
  }
  // Something is to be named as the reason, and it is the whole that failed.
  if (diff.replace && response.getReplacesList().length === 0) response.addReplaces("name");
  return response;
}

function propertyDiff({ kind, change, amongInputs }: Difference): messages.PropertyDiff {
  const { Kind } = messages.PropertyDiff;
  const kinds = {
    add: [Kind.ADD, Kind.ADD_REPLACE],
    delete: [Kind.DELETE, Kind.DELETE_REPLACE],
    update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
  } as const;
  const diff = new messages.PropertyDiff();
  diff.setKind(kinds[kind][change === "replace" ? 1 : 0]);
  diff.setInputdiff(amongInputs);
  return diff;
}

function serviceError(error: unknown, secrets: Secrets): grpc.ServiceError {
  const advice = error instanceof Error && "remedy" in error ? `\n${String(error.remedy)}` : "";
  const message = secrets.redact(`${error instanceof Error ? error.message : String(error)}${advice}`);
  const metadata = new grpc.Metadata();
  if (error instanceof IncompleteError)
    metadata.add("grpc-status-details-bin", incomplete(error, message, secrets));
  return Object.assign(new Error(message), { code: grpc.status.UNKNOWN, details: message, metadata });
}

/** Tells the engine that the resource is there, though not as it should be, so that it goes into the state. */
function incomplete(error: IncompleteError, message: string, secrets: Secrets): Buffer {
  const failure = new messages.ErrorResourceInitFailed();
  failure.setId(error.id);
  failure.setProperties(struct(secrets.conceal(error.outputs)));
  failure.setReasonsList([message]);
  if (error.inputs) failure.setInputs(struct(secrets.conceal(error.inputs)));
  const details = new Any();
  details.pack(failure.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(message);
  status.addDetails(details);
  return Buffer.from(status.serializeBinary());
}

import * as grpc from "@grpc/grpc-js";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import type { EngineLog } from "./engine-log";
import type { Difference, Values } from "./property-table";
import type { Provider, Subject } from "./provider";
import { IncompleteError } from "./resource-type";
import { Secrets } from "./secrets";
import type { Fault } from "./shape";

/**
 * The provider behind Pulumi's protocol. The SDK's own server for providers is of no use here: it hands on neither the
 * provider's configuration nor the old inputs, and it cannot say which property differs.
 */
export function providerService(
  provider: Provider,
  log: EngineLog,
  version: string,
): grpc.UntypedServiceImplementation {
  return {
    getPluginInfo: answer(() => {
      const response = new PluginInfo();
      response.setVersion(version);
      return response;
    }),

    getSchema: answer(() => {
      const response = new messages.GetSchemaResponse();
      response.setSchema(JSON.stringify({ name: "docker", version }));
      return response;
    }),

    checkConfig: answer((request: messages.CheckRequest, secrets) => {
      const response = new messages.CheckResponse();
      response.setInputs(request.getNews());
      response.setFailuresList(failures(provider.checkConfig(secrets.reveal(values(request.getNews())))));
      return response;
    }),

    diffConfig: answer(() => {
      const response = new messages.DiffResponse();
      response.setChanges(messages.DiffResponse.DiffChanges.DIFF_NONE);
      return response;
    }),

    configure: answer((request: messages.ConfigureRequest, secrets) => {
      provider.configure(secrets.reveal(values(request.getArgs())));
      const response = new messages.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      return response;
    }),

    invoke: answer((request: messages.InvokeRequest) => {
      throw new Error(`The function ${request.getTok()} is not supported by the stand-in`);
    }),

    check: answer((request: messages.CheckRequest, secrets) => {
      const olds = secrets.reveal(values(request.getOlds()));
      const fresh = new Secrets();
      const news = fresh.reveal(values(request.getNews()));
      const seed = Buffer.from(request.getRandomseed_asU8());
      const { inputs, faults } = provider.check(subjectOf(request, log, fresh), olds, news, seed);
      const response = new messages.CheckResponse();
      response.setInputs(struct(fresh.conceal(inputs)));
      response.setFailuresList(failures(faults));
      return response;
    }),

    diff: answer((request: messages.DiffRequest, secrets) => {
      const outputs = secrets.reveal(values(request.getOlds()));
      const inputs = secrets.reveal(values(request.getOldInputs()));
      const wanted = secrets.reveal(values(request.getNews()));
      const ignored = request.getIgnorechangesList();
      return diffResponse(
        provider.diff(subjectOf(request, log, secrets), { outputs, inputs }, wanted, ignored),
      );
    }),

    create: answer(async (request: messages.CreateRequest, secrets) => {
      const inputs = secrets.reveal(values(request.getProperties()));
      const response = new messages.CreateResponse();
      // In a preview, what only the engine can tell is left out, and so unknown to the program.
      const created = request.getPreview()
        ? { id: "", outputs: inputs }
        : await provider.create(subjectOf(request, log, secrets), inputs);
      response.setId(created.id);
      response.setProperties(struct(secrets.conceal(created.outputs)));
      return response;
    }),

    read: answer(async (request: messages.ReadRequest, secrets) => {
      const outputs = secrets.reveal(values(request.getProperties()));
      const inputs = secrets.reveal(values(request.getInputs()));
      const found = await provider.read(subjectOf(request, log, secrets), request.getId(), {
        outputs,
        inputs,
      });
      const response = new messages.ReadResponse();
      response.setId(found?.id ?? "");
      response.setProperties(struct(secrets.conceal(found?.outputs ?? {})));
      response.setInputs(struct(secrets.conceal(found?.inputs ?? {})));
      return response;
    }),

    update: answer(async (request: messages.UpdateRequest, secrets) => {
      const outputs = new Secrets().reveal(values(request.getOlds()));
      const inputs = secrets.reveal(values(request.getNews()));
      const subject = subjectOf(request, log, secrets);
      const updated = request.getPreview()
        ? { ...outputs, ...inputs }
        : await provider.update(subject, request.getId(), outputs, inputs);
      const response = new messages.UpdateResponse();
      response.setProperties(struct(secrets.conceal(updated)));
      return response;
    }),

    delete: answer(async (request: messages.DeleteRequest, secrets) => {
      const outputs = secrets.reveal(values(request.getProperties()));
      await provider.delete(subjectOf(request, log, secrets), request.getId(), outputs);
      return new Empty();
    }),

    cancel: answer(() => {
      provider.cancel();
      return new Empty();
    }),
  };
}

/** A method of the protocol. Whatever it throws reaches the user without the secrets that came with the request. */
function answer<Request, Response>(
  respond: (request: Request, secrets: Secrets) => Response | Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const secrets = new Secrets();
    new Promise<Response>((resolve) => {
      resolve(respond(call.request, secrets));
    }).then(
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

function failures(faults: Fault[]): messages.CheckFailure[] {
  return faults.map(({ path, reason }) => {
    const failure = new messages.CheckFailure();
    failure.setProperty(path);
    failure.setReason(reason);
    return failure;
  });
}

function diffResponse(diff: ReturnType<Provider["diff"]>): messages.DiffResponse {
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
  const details = new Any();
  details.pack(failure.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(message);
  status.addDetails(details);
  return Buffer.from(status.serializeBinary());
}

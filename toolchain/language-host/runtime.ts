import * as grpc from "@grpc/grpc-js";
import type { ILanguageRuntimeServer } from "@pulumi/pulumi/proto/language_grpc_pb";
import {
  AboutResponse,
  DependencyInfo,
  GetProgramDependenciesResponse,
  GetRequiredPackagesResponse,
  GetRequiredPluginsResponse,
  InstallDependenciesResponse,
  LanguageHandshakeResponse,
  RunPluginResponse,
  RunResponse,
  RuntimeOptionsResponse,
  type InstallDependenciesRequest,
  type ProgramInfo,
  type RunPluginRequest,
  type RunRequest,
} from "@pulumi/pulumi/proto/language_pb";
import { PackageDependency, PluginDependency, PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { version as sdkVersion } from "@pulumi/pulumi/package.json";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { installDependencies } from "./install";
import { startPolicyPack } from "./policy-pack";
import { directDependencies, installedPackages, requiredPlugins } from "./packages";
import { runProgram, type ProgramRun } from "./program";

type Handlers = Pick<
  ILanguageRuntimeServer,
  | "handshake"
  | "getRequiredPlugins"
  | "getRequiredPackages"
  | "run"
  | "runPlugin"
  | "getPluginInfo"
  | "installDependencies"
  | "runtimeOptionsPrompts"
  | "about"
  | "getProgramDependencies"
  | "cancel"
>;

/** Translates between the engine's messages and the functions beside this file. */
export class LanguageRuntime {
  private readonly programs = new Set<ProgramRun>();

  constructor(private readonly engineAddress: string) {}

  /** The methods served; the engine takes those that are missing as not supported. */
  handlers(): Handlers {
    return {
      handshake: unary(() => new LanguageHandshakeResponse()),
      getRequiredPlugins: unary(({ request }) =>
        new GetRequiredPluginsResponse().setPluginsList(
          requiredPlugins(programDirectory(request.getInfo())).map(({ name, version, server }) =>
            new PluginDependency().setName(name).setKind("resource").setVersion(version).setServer(server),
          ),
        ),
      ),
      getRequiredPackages: unary(({ request }) =>
        new GetRequiredPackagesResponse().setPackagesList(
          requiredPlugins(programDirectory(request.getInfo())).map(({ name, version, server }) =>
            new PackageDependency().setName(name).setKind("resource").setVersion(version).setServer(server),
          ),
        ),
      ),
      run: unary((call) => this.run(call)),
      runPlugin: streamPolicyPack,
      getPluginInfo: unary(() => new PluginInfo().setVersion(sdkVersion)),
      installDependencies: (call) => {
        void streamInstallation(call);
      },
      runtimeOptionsPrompts: unary(() => new RuntimeOptionsResponse()),
      about: unary(() => new AboutResponse().setExecutable(process.execPath).setVersion(process.version)),
      getProgramDependencies: unary(({ request }) => {
        const folder = programDirectory(request.getInfo());
        const found = request.getTransitivedependencies()
          ? installedPackages(folder)
          : directDependencies(folder);
        return new GetProgramDependenciesResponse().setDependenciesList(
          found.map(({ name, version }) => new DependencyInfo().setName(name).setVersion(version)),
        );
      }),
      cancel: unary(async () => {
        await this.stopPrograms();
        return new Empty();
      }),
    };
  }

  /** Asks the programs that run to end, and waits until they have. */
  async stopPrograms(): Promise<void> {
    for (const program of this.programs) program.stop();
    await Promise.allSettled([...this.programs].map(({ ended }) => ended));
  }

  private async run(call: grpc.ServerUnaryCall<RunRequest, RunResponse>): Promise<RunResponse> {
    const request = call.request;
    const info = request.getInfo();
    const program = runProgram({
      engine: this.engineAddress,
      monitor: request.getMonitorAddress(),
      organization: request.getOrganization(),
      project: request.getProject(),
      stack: request.getStack(),
      rootDirectory: info?.getRootDirectory() ?? request.getPwd(),
      directory: programDirectory(info) || request.getPwd(),
      entryPoint: info?.getEntryPoint() ?? request.getProgram(),
      arguments: request.getArgsList(),
      dryRun: request.getDryrun(),
      parallel: request.getParallel(),
      config: Object.fromEntries(request.getConfigMap().entries()),
      secretKeys: request.getConfigsecretkeysList(),
      options: info?.getOptions()?.toJavaScript() ?? {},
    });
    this.programs.add(program);
    // The engine drops the call when the user interrupts an update.
    call.on("cancelled", () => {
      program.stop();
    });
    try {
      const outcome = await program.ended;
      return new RunResponse().setError(outcome.error ?? "").setBail(outcome.reported);
    } finally {
      this.programs.delete(program);
    }
  }
}

function programDirectory(info: ProgramInfo | undefined): string {
  return info?.getProgramDirectory() ?? "";
}

/** A handler of one request and one response from a function that may also return a promise, or throw. */
function unary<Request, Response>(
  answer: (call: grpc.ServerUnaryCall<Request, Response>) => Response | Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, respond) => {
    new Promise<Response>((resolve) => {
      resolve(answer(call));
    }).then(
      (response) => {
        respond(null, response);
      },
      (error: unknown) => {
        respond({ code: grpc.status.UNKNOWN, details: messageOf(error) });
      },
    );
  };
}

/** Runs a policy pack until the engine drops the call. Other plugins in the form of Node.js projects are not run. */
function streamPolicyPack(call: grpc.ServerWritableStream<RunPluginRequest, RunPluginResponse>): void {
  const { request } = call;
  if (request.getKind() !== "analyzer") {
    const details = `This language host runs policy packs, and no plugin of kind ${request.getKind()}`;
    call.emit("error", { code: grpc.status.UNIMPLEMENTED, details });
    return;
  }
  const info = request.getInfo();
  const directory = programDirectory(info) || request.getProgram();
  try {
    const pack = startPolicyPack({
      directory,
      workingDirectory: request.getPwd() || directory,
      arguments: request.getArgsList(),
      environment: request.getEnvList(),
      options: info?.getOptions()?.toJavaScript() ?? {},
    });
    pack.stdout?.on("data", (chunk: Buffer) => call.write(new RunPluginResponse().setStdout(chunk)));
    pack.stderr?.on("data", (chunk: Buffer) => call.write(new RunPluginResponse().setStderr(chunk)));
    pack.on("error", (error) => call.emit("error", { code: grpc.status.UNKNOWN, details: error.message }));
    pack.on("close", (code) => {
      call.write(new RunPluginResponse().setExitcode(code ?? 1));
      call.end();
    });
    call.on("cancelled", () => pack.kill());
  } catch (error) {
    call.emit("error", { code: grpc.status.UNKNOWN, details: messageOf(error) });
  }
}

async function streamInstallation(
  call: grpc.ServerWritableStream<InstallDependenciesRequest, InstallDependenciesResponse>,
): Promise<void> {
  const folder = programDirectory(call.request.getInfo()) || call.request.getDirectory();
  try {
    await installDependencies(folder, {
      stdout: (chunk) => call.write(new InstallDependenciesResponse().setStdout(chunk)),
      stderr: (chunk) => call.write(new InstallDependenciesResponse().setStderr(chunk)),
    });
    call.end();
  } catch (error) {
    call.emit("error", { code: grpc.status.UNKNOWN, details: messageOf(error) });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

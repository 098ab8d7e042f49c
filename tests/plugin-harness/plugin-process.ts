import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { projectFolder } from "../../toolchain/project";

const SIGNATURE = "4dabf18193072939515e22adb298388d";

/** A secret value, as the protocol writes it. */
export const secret = (value: unknown) => ({ [SIGNATURE]: "1b47061264138c4ac30d75fd1eb44270", value });

/** Values as a message carries them. */
export const struct = (values: object): Struct => Struct.fromJavaScript(values as Record<string, string>);

/** The name in the engine of a test's only resource. */
export const urn = (type: string) => `urn:pulumi:test::project::${type}::subject`;

/** A plugin as the engine runs it: a process that is given the engine's address and prints its own port. */
export class PluginProcess {
  /** What the plugin has told the engine to show. */
  readonly logged: string[] = [];

  private constructor(
    private readonly engine: grpc.Server,
    private readonly plugin: ChildProcess,
    private readonly client: ResourceProviderClient,
    logged: string[],
  ) {
    this.logged = logged;
  }

  /** @param name of the plugin's folder in `toolchain/`. */
  static async start(name: string, env: Record<string, string>): Promise<PluginProcess> {
    const logged: string[] = [];
    const engine = new grpc.Server();
    engine.addService(EngineService, {
      log: (call: grpc.ServerUnaryCall<LogRequest, Empty>, callback: grpc.sendUnaryData<Empty>) => {
        logged.push(call.request.getMessage());
        callback(null, new Empty());
      },
    });
    const enginePort = await new Promise<number>((resolve, reject) => {
      engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
        if (error) reject(error);
        else resolve(port);
      });
    });
    const main = path.join(projectFolder, "toolchain", name, "main.ts");
    const plugin = spawn(process.execPath, ["--import", "tsx", main, `127.0.0.1:${enginePort}`], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    const [port] = (await once(plugin.stdout, "data")) as [Buffer];
    const client = new ResourceProviderClient(
      `127.0.0.1:${port.toString().trim()}`,
      grpc.credentials.createInsecure(),
    );
    return new PluginProcess(engine, plugin, client, logged);
  }

  stop(): void {
    this.client.close();
    this.plugin.kill();
    this.engine.forceShutdown();
  }

  async check(type: string, news: object): Promise<messages.CheckResponse> {
    const request = new messages.CheckRequest();
    request.setUrn(urn(type));
    request.setOlds(struct({}));
    request.setNews(struct(news));
    return answer<messages.CheckResponse>((done) => this.client.check(request, done));
  }

  async checkConfig(news: object): Promise<messages.CheckResponse> {
    const request = new messages.CheckRequest();
    request.setNews(struct(news));
    return answer<messages.CheckResponse>((done) => this.client.checkConfig(request, done));
  }

  async configure(args: object): Promise<void> {
    const request = new messages.ConfigureRequest();
    request.setArgs(struct(args));
    await answer<messages.ConfigureResponse>((done) => this.client.configure(request, done));
  }

  /** Makes what `check` has made of the inputs. */
  async create(type: string, news: object): Promise<messages.CreateResponse> {
    const checked = await this.check(type, news);
    const faults = checked.toObject().failuresList;
    if (faults.length > 0) throw new Error(`check refuses ${type}: ${JSON.stringify(faults)}`);
    const request = new messages.CreateRequest();
    request.setUrn(urn(type));
    request.setProperties(checked.getInputs());
    return answer<messages.CreateResponse>((done) => this.client.create(request, done));
  }

  /** What `create` would answer in a preview. */
  async previewCreate(type: string, properties: object): Promise<messages.CreateResponse> {
    const request = new messages.CreateRequest();
    request.setUrn(urn(type));
    request.setPreview(true);
    request.setProperties(struct(properties));
    return answer<messages.CreateResponse>((done) => this.client.create(request, done));
  }

  /** Reads a resource; without its state, as an import does. */
  async read(
    type: string,
    id: string,
    known?: { outputs: object; inputs: object },
  ): Promise<messages.ReadResponse> {
    const request = new messages.ReadRequest();
    request.setId(id);
    request.setUrn(urn(type));
    if (known !== undefined) {
      request.setProperties(struct(known.outputs));
      request.setInputs(struct(known.inputs));
    }
    return answer<messages.ReadResponse>((done) => this.client.read(request, done));
  }

  async invoke(token: string): Promise<messages.InvokeResponse> {
    const request = new messages.InvokeRequest();
    request.setTok(token);
    return answer<messages.InvokeResponse>((done) => this.client.invoke(request, done));
  }

  async construct(type: string): Promise<messages.ConstructResponse> {
    const request = new messages.ConstructRequest();
    request.setType(type);
    return answer<messages.ConstructResponse>((done) => this.client.construct(request, done));
  }
}

type Done<Response> = (error: grpc.ServiceError | null, response: Response) => void;

function answer<Response>(call: (done: Done<Response>) => unknown): Promise<Response> {
  return new Promise((resolve, reject) => {
    call((error, response) => {
      if (error) reject(error);
      else resolve(response);
    });
  });
}

/** What a failed `create` hands over for the state: the resource that is there, if not as it should be. */
export function partialState(error: grpc.ServiceError): messages.ErrorResourceInitFailed {
  const [details] = error.metadata.get("grpc-status-details-bin");
  const any = Status.deserializeBinary(details as Buffer).getDetailsList()[0];
  return messages.ErrorResourceInitFailed.deserializeBinary(any?.getValue_asU8() ?? new Uint8Array());
}

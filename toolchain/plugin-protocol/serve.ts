import * as grpc from "@grpc/grpc-js";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { EngineLog } from "./engine-log";
import type { Provider } from "./provider";
import type { PluginIdentity } from "./provider-service";
import { providerService } from "./provider-service";

/** Uploaded files and whole states pass through; the limit is the engine's own. */
const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;

/**
 * The plugin's process: `pulumi-resource-NAME ENGINE_ADDRESS`. Prints the number of the port it listens on, and ends
 * when the engine, its parent, does.
 */
export function serveProvider(provider: Provider, identity: PluginIdentity): void {
  // Flags such as --logtostderr may come first.
  const engineAddress = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  });
  server.addService(
    ResourceProviderService,
    providerService(provider, new EngineLog(engineAddress), identity),
  );
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(String(port));
  });

  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, 1000);
}

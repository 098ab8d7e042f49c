/**
 * The language host: what the Pulumi engine starts to run Node.js programs, and asks about them. Serves the part of
 * the engine's LanguageRuntime protocol that `up`, `preview`, `refresh`, `destroy`, `install` and `about` use; the
 * program itself runs in the SDK's own runner. Used only where Pulumi's own host cannot be had.
 *
 * The engine starts it with its own address as the last argument, reads the port from standard output, ends it by an
 * interrupt, and shows what it and the program print.
 */
import * as grpc from "@grpc/grpc-js";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import { LanguageRuntime } from "./runtime";

function main(): void {
  const engineAddress = process.argv.at(-1) ?? "";
  if (!/:\d+$/.test(engineAddress)) {
    console.error("usage: pulumi-language-nodejs [flags] <engine address>, as the Pulumi engine starts it");
    process.exit(1);
  }

  const runtime = new LanguageRuntime(engineAddress);
  const server = new grpc.Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  server.addService(LanguageRuntimeService, runtime.handlers());
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.stdout.write(`${port}\n`);
  });

  const end = () => {
    void runtime.stopPrograms().then(() => process.exit(0));
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  // The engine holds the other end of standard input: if it is killed outright, nothing of ours stays behind.
  process.stdin.on("end", end).resume();
}

main();

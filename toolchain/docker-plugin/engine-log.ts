import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

/** The Pulumi engine's own log: what is written there appears beside the resource in the display of `pulumi up`. */
export class EngineLog {
  private readonly client: EngineClient | undefined;

  /** @param address where the engine listens; without one, nothing is logged */
  constructor(address: string | undefined) {
    this.client =
      address === undefined ? undefined : new EngineClient(address, grpc.credentials.createInsecure());
  }

  info(urn: string, text: string): void {
    this.log(urn, text, false);
  }

  /** Shown until the next one comes. */
  status(urn: string, text: string): void {
    this.log(urn, text, true);
  }

  private log(urn: string, text: string, ephemeral: boolean): void {
    const request = new LogRequest();
    request.setSeverity(LogSeverity.INFO);
    request.setUrn(urn);
    request.setMessage(text);
    request.setEphemeral(ephemeral);
    // A message that the engine does not get is no reason to fail.
    this.client?.log(request, () => undefined);
  }
}

import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

type Severity = Parameters<LogRequest["setSeverity"]>[0];

/** The Pulumi engine's own log: what is written there appears beside the resource in the display of `pulumi up`. */
export class EngineLog {
  private readonly client: EngineClient | undefined;

  /** @param address where the engine listens; without one, nothing is logged */
  constructor(address: string | undefined) {
    this.client =
      address === undefined ? undefined : new EngineClient(address, grpc.credentials.createInsecure());
  }

  info(urn: string, text: string): void {
    this.log(urn, text, { severity: LogSeverity.INFO, ephemeral: false });
  }

  warn(urn: string, text: string): void {
    this.log(urn, text, { severity: LogSeverity.WARNING, ephemeral: false });
  }

  /** Shown until the next one comes. */
  status(urn: string, text: string): void {
    this.log(urn, text, { severity: LogSeverity.INFO, ephemeral: true });
  }

  private log(urn: string, text: string, manner: { severity: Severity; ephemeral: boolean }): void {
    const request = new LogRequest();
    request.setSeverity(manner.severity);
    request.setUrn(urn);
    request.setMessage(text);
    request.setEphemeral(manner.ephemeral);
    // A message that the engine does not get is no reason to fail.
    this.client?.log(request, () => undefined);
  }
}

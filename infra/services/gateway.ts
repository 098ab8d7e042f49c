import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Platform } from "../platform";
import type { RenderedFile } from "../workload";

export interface GatewayArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  /** The service behind it, as it is called inside the stack. */
  service: GatewayService;
  /** Port at the door. */
  port: number;
  /** Key and certificate, one PEM. Default: the platform puts them where `certificateFile` says, and renews them there. */
  certificate?: pulumi.Input<string>;
  /** The service behind it. */
  after: Deployment;
}

/** A service that speaks plainly inside the stack. */
export interface GatewayService {
  host: string;
  port: number;
  /** What it answers without a password when it is well. */
  healthPath: string;
}

const folder = "/etc/lakestack/gateway";
/** Where a gateway reads its key and certificate, one PEM file. It takes another as it comes. */
export const certificateFile = { folder, name: "tls-combined.pem" } as const;

const configurationFile = "/etc/lakestack/haproxy.cfg";
const program = "/opt/lakestack/gateway";
const port = 8443;

/**
 * Ends TLS before a service that has none of its own, at its door. Inside the stack the service is called as ever.
 *
 * Not the service itself: all who call it at the same port inside would have to speak TLS, too, and know its authority.
 */
export class Gateway extends pulumi.ComponentResource {
  readonly deployment: Deployment;

  /** @param name of the workload, by which `connections.ts` knows it. */
  constructor(name: string, args: GatewayArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Gateway", name, {}, options);
    this.deployment = args.platform.deploy(
      {
        name,
        image: args.image,
        command: ["/bin/bash", program, configurationFile, `${folder}/${certificateFile.name}`],
        files: files(args),
        ports: [{ name: "https", port, publish: args.port }],
        // Through the door to the service. Its own certificate is for the names that clients use.
        health: { ready: { port, path: args.service.healthPath, tls: true } },
        resources: { memoryMiB: 128 },
      },
      this,
      [args.after],
    );
    this.registerOutputs({});
  }
}

function files({ service, certificate }: GatewayArgs): RenderedFile[] {
  return [
    { path: configurationFile, content: renderGateway(service) },
    { path: program, content: readFileSync("infra/services/gateway.sh", "utf8"), executable: true },
    ...(certificate === undefined
      ? []
      : [{ path: `${folder}/${certificateFile.name}`, content: certificate, live: true }]),
  ];
}

/** HAProxy's configuration: https://docs.haproxy.org/3.0/configuration.html */
export function renderGateway({ host, port: servicePort }: Pick<GatewayService, "host" | "port">): string {
  return `global
    log stdout format raw local0 notice
    # As many connections as its memory holds, whatever machine it is on.
    maxconn 1000
    nbthread 2
    # After a new certificate: how long requests may go on with the old one.
    hard-stop-after 30m
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-bind-ciphers ECDHE+AESGCM:ECDHE+CHACHA20

defaults
    mode http
    log global
    option forwardfor
    timeout connect 5s
    timeout http-request 10s
    timeout http-keep-alive 1m
    timeout client 10m
    timeout server 10m

frontend door
    bind :${port} ssl crt ${folder}/${certificateFile.name} alpn h2,http/1.1
    http-request set-header X-Forwarded-Proto https
    # The service does not know that there is TLS: a browser must not send its session without.
    http-response replace-header Set-Cookie ^((?:(?!;\\ *[Ss]ecure).)*)$ "\\1; Secure"
    default_backend service

backend service
    server service ${host}:${servicePort}
`;
}

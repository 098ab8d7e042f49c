import * as pulumi from "@pulumi/pulumi";
import type { IdentityProvider } from "../identity-provider";
import type { Deployment, Platform } from "../platform";
import { renderProperties } from "../properties";
import type { Secrets } from "../secrets";
import type { Source } from "../sources";
import type { User } from "../users";
import type { RenderedFile, Scale, Workload } from "../workload";
import { renderQueryListener } from "./audit";
import type { Catalog } from "./catalog";
import type { ObjectStorage } from "./object-storage";
import { renderGroups, renderPasswords, renderRules } from "./trino-access";
import {
  accessFiles,
  askWhetherStarted,
  clientPort,
  etc,
  internalPort,
  nodeAddressVariable,
  ownCertificateFile,
  renderAccessControl,
  renderDrain,
  renderIcebergCatalog,
  renderJvm,
  renderKeystore,
  renderLogLevels,
  renderServer,
  renderWorker,
  renderWorkerRules,
} from "./trino-files";
import { analystQueryLimits, renderResourceGroups, renderSessionDefaults } from "./trino-limits";
import type { AnalystLimits } from "./trino-limits";
import {
  issuerAuthoritiesFile,
  plainGroups,
  renderLogin,
  renderUserMapping,
  roleGroups,
  type RoleGroups,
  userMappingFile,
} from "./trino-login";

export interface TrinoArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  catalog: Catalog;
  objectStore: ObjectStorage;
  /** Who may log in, and as what. */
  users: User[];
  /** By whom people may log in beside that. Default nobody. */
  identityProvider?: IdentityProvider;
  /** Their tables are what analysts read, with their masks and filters. */
  sources: Source[];
  /** Schemas of which analysts may read every table. */
  publishedSchemas: string[];
  analystLimits: AnalystLimits;
  memoryMiB: number;
  cpus?: number;
  /** Port of TLS at the door. */
  port: number;
  /** Default: one of the stack's own authority. */
  certificate?: TrinoCertificate;
  /** What keeps the audit log, which is told of each query. Default: nobody is. */
  audit?: Deployment;
  /** Workers beside the coordinator. Default none: it does the work itself. */
  workers?: TrinoWorkers;
}

/** A certificate that the platform puts into the container and renews there. It is for `localhost`, too. */
export interface TrinoCertificate {
  /** Where key and certificate are, one PEM file. */
  file: string;
  /** PEM of the authority that signs it. */
  authority: string;
}

export interface TrinoWorkers {
  count: number;
  /** With load; their number is fixed if absent. */
  scale?: Scale;
  memoryMiB: number;
  /** Seconds that a worker which has to go may take for the queries it works on. */
  drainSeconds: number;
}

const host = "trino";
const drainFile = "/opt/lakestack/drain-trino";
const dataFolder = "/var/lib/trino";

/** Names by which Trino is called wherever it runs: by its own health check, and by Airflow. */
export const calledNames = ["localhost", host] as const;

/** Names that Trino's certificate is valid for. */
export const trinoHosts = (stack: string) => ["localhost", "127.0.0.1", host, `lakestack-${stack}-${host}`];

/** Trino behind TLS and a password: coordinator and worker in one, or a coordinator with any number of workers. */
export class Trino extends pulumi.ComponentResource {
  /** Host and port inside the stack. */
  readonly host = host;
  readonly port = clientPort;
  /** Name of the Iceberg catalog in Trino. */
  readonly catalogName = "iceberg";
  /** PEM of the authority that clients have to trust. */
  readonly authority: pulumi.Input<string>;
  readonly deployment: Deployment;

  constructor(name: string, args: TrinoArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Trino", name, {}, options);
    this.authority = args.certificate?.authority ?? args.secrets.caCertificate;
    const coordinator = this.deployCoordinator(args);
    const workers =
      args.workers === undefined ? { ready: [] } : this.deployWorkers(args, args.workers, coordinator);
    this.deployment = { ready: [...coordinator.ready, ...workers.ready] };
    this.registerOutputs({ host: this.host, port: this.port });
  }

  private deployCoordinator(args: TrinoArgs): Deployment {
    return args.platform.deploy(
      {
        ...this.node(args),
        name: host,
        files: this.coordinatorFiles(args),
        ports: [
          { name: "https", port: clientPort, publish: args.port },
          ...(args.workers === undefined ? [] : [{ name: "internal", port: internalPort }]),
        ],
        ownAddressVariable: args.workers === undefined ? undefined : nodeAddressVariable,
        health: {
          ready: [
            "/bin/sh",
            "-c",
            // At the door that clients use, with the certificate checked as they check it.
            `printf 'GET /v1/info HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' | ` +
              `openssl s_client -quiet -verify_return_error -verify_hostname localhost -CAfile ${etc}/ca.pem ` +
              `-connect localhost:${clientPort} 2>&1 | grep -q '"starting":false'`,
          ],
          alive: { port: clientPort, path: "/v1/info", tls: true },
        },
        resources: { memoryMiB: args.memoryMiB, cpus: args.cpus },
      },
      this,
      [
        args.catalog.deployment,
        args.objectStore.deployment,
        ...(args.audit === undefined ? [] : [args.audit]),
      ],
    );
  }

  private deployWorkers(args: TrinoArgs, workers: TrinoWorkers, coordinator: Deployment): Deployment {
    return args.platform.deploy(
      {
        ...this.node(args),
        name: "trino-worker",
        replicas: workers.count,
        scale: workers.scale,
        files: this.workerFiles(args, workers),
        ports: [{ name: "internal", port: internalPort }],
        ownAddressVariable: nodeAddressVariable,
        health: { ready: askWhetherStarted, alive: { port: internalPort, path: "/v1/info" } },
        drain: ["/bin/bash", drainFile],
        stopGraceSeconds: workers.drainSeconds,
        resources: { memoryMiB: workers.memoryMiB, cpus: args.cpus },
      },
      this,
      [coordinator],
    );
  }

  private node({ image }: TrinoArgs): Pick<Workload, "image" | "command" | "scratch"> {
    return {
      image,
      command: ["/opt/trino/bin/launcher", "run", "--etc-dir", etc, "--data-dir", dataFolder],
      scratch: [dataFolder],
    };
  }

  private coordinatorFiles(args: TrinoArgs): RenderedFile[] {
    const { secrets } = args;
    return [
      file("node.properties", renderProperties({ "node.environment": "lakestack" })),
      file("jvm.config", renderJvm(args.memoryMiB)),
      file(
        "config.properties",
        pulumi.all([secrets.trinoInternalSecret, this.login(args)]).apply(([secret, login]) =>
          renderServer(secret, args.workers !== undefined, args.certificate?.file, {
            ...analystQueryLimits(args.analystLimits),
            ...login,
          }),
        ),
      ),
      file("log.properties", renderLogLevels()),
      ...(args.audit === undefined
        ? []
        : [file("event-listener.properties", secrets.auditToken.apply(renderQueryListener))]),
      ...Object.entries(renderAccessControl()).map(([name, content]) => file(name, content)),
      file(
        "resource-groups.json",
        withGroups(args, (groups) => renderResourceGroups(args.analystLimits, groups)),
      ),
      file("session-defaults.json", renderSessionDefaults()),
      ...this.accessFiles(args),
      ...loginFiles(args.identityProvider),
      file("ca.pem", this.authority),
      this.catalogFile(args),
    ];
  }

  private login({ identityProvider: provider }: TrinoArgs): pulumi.Input<Record<string, string>> {
    return provider === undefined
      ? {}
      : provider.clientSecret.apply((secret) => renderLogin(provider, secret));
  }

  /** What changes when users come and go, or sources, or when a certificate is renewed: taken without a restart. */
  private accessFiles(args: TrinoArgs): RenderedFile[] {
    const { users, sources, publishedSchemas } = args;
    const live = (path: string, content: pulumi.Input<string>) => ({ path, content, live: true });
    return [
      live(
        accessFiles.passwords,
        pulumi.all(users.map(({ name, passwordHash }) => ({ name, passwordHash }))).apply(renderPasswords),
      ),
      live(
        accessFiles.groups,
        withGroups(args, (groups) => renderGroups(users, groups)),
      ),
      live(
        accessFiles.rules,
        withGroups(args, (groups) =>
          renderRules({ users, sources, publishedSchemas, catalog: this.catalogName, groups }),
        ),
      ),
      ...(args.certificate === undefined
        ? [
            live(
              ownCertificateFile,
              pulumi
                .all([args.secrets.trinoKey, args.secrets.trinoCertificate])
                .apply(([key, certificate]) => renderKeystore(key, certificate)),
            ),
          ]
        : []),
    ];
  }

  private workerFiles(args: TrinoArgs, { memoryMiB }: TrinoWorkers): RenderedFile[] {
    return [
      file("node.properties", renderProperties({ "node.environment": "lakestack" })),
      file("jvm.config", renderJvm(memoryMiB)),
      file(
        "config.properties",
        args.secrets.trinoInternalSecret.apply((secret) => renderWorker(secret, host)),
      ),
      file("log.properties", renderLogLevels()),
      file(
        "access-control.properties",
        renderProperties({ "access-control.name": "file", "security.config-file": `${etc}/rules.json` }),
      ),
      file("rules.json", renderWorkerRules()),
      { path: drainFile, content: renderDrain(), executable: true },
      this.catalogFile(args),
    ];
  }

  private catalogFile({ secrets, catalog, objectStore }: TrinoArgs): RenderedFile {
    const { endpoint, region, pathStyle } = objectStore;
    const { uri, warehouse } = catalog;
    return file(
      `catalog/${this.catalogName}.properties`,
      secrets.trinoCatalogToken.apply((token) =>
        renderIcebergCatalog({ uri, warehouse, token, endpoint, region, pathStyle }),
      ),
    );
  }
}

/** What depends on the names of the roles' groups, which nobody can choose where an issuer's tokens name groups. */
function withGroups(
  { identityProvider: provider, secrets }: TrinoArgs,
  render: (groups: RoleGroups) => string,
): pulumi.Input<string> {
  return provider === undefined
    ? render(plainGroups)
    : secrets.trinoInternalSecret.apply((secret) => render(roleGroups(provider, secret)));
}

function loginFiles(provider: IdentityProvider | undefined): RenderedFile[] {
  if (provider === undefined) return [];
  const { authorities, ownNames } = provider;
  return [
    { path: userMappingFile, content: renderUserMapping(ownNames) },
    ...(authorities === undefined ? [] : [{ path: issuerAuthoritiesFile, content: authorities }]),
  ];
}

const file = (name: string, content: pulumi.Input<string>): RenderedFile => ({
  path: `${etc}/${name}`,
  content,
});

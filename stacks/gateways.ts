import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { gatewayDoors } from "../infra/config";
import type { StackConfig, TcpDoor } from "../infra/config";
import { gateways } from "../infra/connections";
import type { Deployment } from "../infra/platform";
import type { KubernetesPlatform, MountedSecret } from "../infra/platforms/kubernetes";
import { apiHost, apiPort } from "../infra/services/airflow-settings";
import { certificateFile, Gateway } from "../infra/services/gateway";
import type { GatewayService } from "../infra/services/gateway";
import { storeHost, storePort } from "../infra/services/object-store";
import type { Wiring } from "./lakehouse";

const services: Record<TcpDoor["service"], GatewayService> = {
  "airflow-api": { host: apiHost, port: apiPort, healthPath: "/api/v2/version" },
  "object-store": { host: storeHost, port: storePort, healthPath: "/minio/health/live" },
};

/** Names that the certificate of the gateways is for, if the stack's own authority makes it. */
export function gatewayHosts(config: StackConfig): string[] {
  if (config.certificateIssuer !== "") return [];
  return [...new Set(gatewayDoors(config).map(({ host }) => host))];
}

/** Where gateways find the certificates that cert-manager makes. */
export function gatewaySecrets(config: StackConfig): Record<string, MountedSecret[]> {
  if (config.certificateIssuer === "") return {};
  const { folder } = certificateFile;
  return Object.fromEntries(
    gatewayDoors(config).map(({ service }) => [
      gateways[service],
      [{ folder, secretName: certificateName(service) }],
    ]),
  );
}

/** Puts a gateway before each service that has a door and no TLS of its own. */
export function openGateways(
  { config, platform, secrets, image }: Wiring,
  behind: Record<TcpDoor["service"], Deployment>,
  issued: { platform: KubernetesPlatform; provider: kubernetes.Provider },
): void {
  for (const { service, host, port } of gatewayDoors(config)) {
    if (config.certificateIssuer !== "")
      issueCertificate(
        { name: certificateName(service), hosts: [host], issuer: config.certificateIssuer },
        issued,
      );
    new Gateway(gateways[service], {
      platform,
      image: image("gateway"),
      service: services[service],
      port,
      certificate: config.certificateIssuer === "" ? ownCertificate(secrets) : undefined,
      after: behind[service],
    });
  }
}

const certificateName = (service: TcpDoor["service"]) => `${gateways[service]}-certificate`;

export interface IssuedCertificate {
  /** Of the Certificate, and of the Secret that it is put into. */
  name: string;
  /** DNS names and IPv4 addresses. */
  hosts: string[];
  /** Name of the ClusterIssuer. */
  issuer: string;
}

/** Has cert-manager make a certificate, and renew it in time. */
export function issueCertificate(
  { name, hosts, issuer }: IssuedCertificate,
  { platform, provider }: { platform: KubernetesPlatform; provider: kubernetes.Provider },
): void {
  const isAddress = (host: string) => /^[\d.]+$/.test(host);
  new kubernetes.apiextensions.CustomResource(
    name,
    {
      apiVersion: "cert-manager.io/v1",
      kind: "Certificate",
      metadata: { name, namespace: platform.namespace },
      spec: {
        secretName: name,
        dnsNames: hosts.filter((host) => !isAddress(host)),
        ipAddresses: hosts.filter(isAddress),
        issuerRef: { group: "cert-manager.io", kind: "ClusterIssuer", name: issuer },
        // Key and certificate in one file, as their readers want them.
        additionalOutputFormats: [{ type: "CombinedPEM" }],
        privateKey: { algorithm: "ECDSA", encoding: "PKCS8", size: 256 },
      },
    },
    { parent: platform, provider },
  );
}

/** Key first, then certificate, as one file. */
function ownCertificate({ gatewayKey, gatewayCertificate }: Wiring["secrets"]): pulumi.Output<string> {
  if (gatewayKey === undefined || gatewayCertificate === undefined)
    throw new Error("A gateway is wanted, but loadSecrets was given no names for its certificate");
  return pulumi.interpolate`${gatewayKey}${gatewayCertificate}`;
}

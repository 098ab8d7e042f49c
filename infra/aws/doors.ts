import * as acm from "@pulumi/aws/acm";
import * as autoscaling from "@pulumi/aws/autoscaling";
import * as ec2 from "@pulumi/aws/ec2";
import * as lb from "@pulumi/aws/lb";
import * as route53 from "@pulumi/aws/route53";
import * as vpc from "@pulumi/aws/vpc";
import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./account";
import type { Cluster } from "./cluster";
import type { DoorKind, DoorSettings } from "./config";
import type { Network } from "./network";

export interface DoorsArgs {
  account: Account;
  network: Network;
  cluster: Cluster;
  settings: DoorSettings;
}

/** A service that can have a load balancer, and the port that every node forwards to it. */
export const doors = {
  trino: { nodePort: 30443, type: "network" },
  airflow: { nodePort: 30080, type: "application" },
} as const;
export type DoorName = keyof typeof doors;

const httpsPort = 443;
const tlsPolicy = "ELBSecurityPolicy-TLS13-1-2-2021-06";

/**
 * The ways in from outside the network: none, unless asked for. Load balancers are resources of the program and no
 * controller's, so that `destroy` removes them before the network that they stand in.
 */
export class Doors extends pulumi.ComponentResource {
  /** Host names by which clients reach the open doors, at port 443. */
  readonly hosts: Partial<Record<DoorName, pulumi.Output<string>>> = {};
  readonly certificateArn?: pulumi.Output<string>;

  constructor(name: string, args: DoorsArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Doors", name, {}, options);
    const wanted = (Object.keys(doors) as DoorName[]).filter((door) => args.settings[door] !== "none");
    if (wanted.length > 0) this.certificateArn = this.certificate(wanted, args.settings);
    for (const door of wanted) this.hosts[door] = this.open(door, args.settings[door], args);
    this.registerOutputs({});
  }

  /** An existing certificate, or one for the doors' names, proved by records in the zone. */
  private certificate(
    wanted: DoorName[],
    { zone, certificateArn }: DoorSettings,
  ): pulumi.Output<string> | undefined {
    if (certificateArn !== undefined) return pulumi.output(certificateArn);
    if (zone === undefined) return undefined;
    const [first, ...others] = wanted.map((door) => `${door}.${zone.domain}`);
    const certificate = new acm.Certificate(
      "doors",
      { domainName: first, subjectAlternativeNames: others, validationMethod: "DNS" },
      { parent: this },
    );
    const records = wanted.map((door, index) => {
      const option = certificate.domainValidationOptions.apply((all) => all[index]);
      return new route53.Record(
        `${door}-proof`,
        {
          zoneId: zone.id,
          name: option.apply((o) => o?.resourceRecordName ?? ""),
          type: option.apply((o) => o?.resourceRecordType ?? "CNAME"),
          records: [option.apply((o) => o?.resourceRecordValue ?? "")],
          ttl: 300,
          allowOverwrite: true,
        },
        { parent: certificate },
      );
    });
    return new acm.CertificateValidation(
      "doors",
      { certificateArn: certificate.arn, validationRecordFqdns: records.map(({ fqdn }) => fqdn) },
      { parent: certificate },
    ).certificateArn;
  }

  /** @returns the host name that clients use. */
  private open(door: DoorName, kind: DoorKind, args: DoorsArgs): pulumi.Output<string> {
    const { account, network, settings } = args;
    const isPublic = kind === "public";
    const { type } = doors[door];
    const group = this.securityGroup(door, kind, args);
    const balancer = new lb.LoadBalancer(
      door,
      {
        name: `${account.prefix}-${door}`,
        loadBalancerType: type,
        internal: !isPublic,
        subnets: isPublic ? network.publicSubnetIds : network.privateSubnetIds,
        securityGroups: [group.id],
        ...(type === "application" ? { dropInvalidHeaderFields: true, idleTimeout: 120 } : {}),
      },
      { parent: this },
    );
    this.listen(door, balancer, args);
    if (settings.zone === undefined) return balancer.dnsName;
    const host = `${door}.${settings.zone.domain}`;
    new route53.Record(
      door,
      {
        zoneId: settings.zone.id,
        name: host,
        type: "A",
        aliases: [{ name: balancer.dnsName, zoneId: balancer.zoneId, evaluateTargetHealth: true }],
      },
      { parent: balancer },
    );
    return pulumi.output(host);
  }

  /** Lets in who is on the list, and lets the door through to its port on the nodes. */
  private securityGroup(
    door: DoorName,
    kind: DoorKind,
    { account, network, cluster, settings }: DoorsArgs,
  ): ec2.SecurityGroup {
    const { nodePort } = doors[door];
    const group = new ec2.SecurityGroup(
      door,
      {
        vpcId: network.vpcId,
        description: `${kind} door of ${door}`,
        tags: { Name: `${account.prefix}-${door}` },
      },
      { parent: this },
    );
    const ranges = settings.allowList.length > 0 ? settings.allowList : [network.cidr];
    for (const [index, cidrIpv4] of ranges.entries()) {
      new vpc.SecurityGroupIngressRule(
        `${door}-${index + 1}`,
        {
          securityGroupId: group.id,
          cidrIpv4,
          ipProtocol: "tcp",
          fromPort: httpsPort,
          toPort: httpsPort,
          description: "From the allow-list",
        },
        { parent: group },
      );
    }
    const forward = { ipProtocol: "tcp", fromPort: nodePort, toPort: nodePort };
    new vpc.SecurityGroupEgressRule(
      door,
      {
        securityGroupId: group.id,
        referencedSecurityGroupId: cluster.securityGroupId,
        ...forward,
        description: "To the nodes",
      },
      { parent: group },
    );
    new vpc.SecurityGroupIngressRule(
      `${door}-nodes`,
      {
        securityGroupId: cluster.securityGroupId,
        referencedSecurityGroupId: group.id,
        ...forward,
        description: `From the door of ${door}`,
      },
      { parent: group },
    );
    return group;
  }

  /**
   * TLS ends at the door, with a certificate that browsers know, and begins again behind it for Trino, which shows its own.
   * Airflow speaks HTTP behind the door.
   */
  private listen(door: DoorName, balancer: lb.LoadBalancer, { account, network, cluster }: DoorsArgs): void {
    const { nodePort } = doors[door];
    const certificateArn = this.certificateArn;
    const isNetwork = door === "trino";
    const targets = new lb.TargetGroup(
      door,
      {
        name: `${account.prefix}-${door}`,
        vpcId: network.vpcId,
        targetType: "instance",
        port: nodePort,
        protocol: isNetwork ? "TLS" : "HTTP",
        healthCheck: isNetwork
          ? { protocol: "HTTPS", path: "/v1/info", matcher: "200" }
          : { protocol: "HTTP", path: "/api/v2/monitor/health", matcher: "200" },
        deregistrationDelay: 60,
      },
      { parent: balancer },
    );
    new lb.Listener(
      door,
      {
        loadBalancerArn: balancer.arn,
        port: httpsPort,
        protocol: isNetwork ? "TLS" : "HTTPS",
        certificateArn,
        sslPolicy: tlsPolicy,
        defaultActions: [{ type: "forward", targetGroupArn: targets.arn }],
      },
      { parent: balancer },
    );
    // The nodes that are always there; any of them forwards to the pod, wherever that is.
    new autoscaling.Attachment(
      door,
      {
        autoscalingGroupName: cluster.services.resources.apply(
          (all) => all[0]?.autoscalingGroups[0]?.name ?? "",
        ),
        lbTargetGroupArn: targets.arn,
      },
      { parent: targets },
    );
  }
}

import * as ec2 from "@pulumi/aws/ec2";
import { getAvailabilityZonesOutput } from "@pulumi/aws/getAvailabilityZones";
import * as vpc from "@pulumi/aws/vpc";
import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./account";
import type { NetworkChoice } from "./config";

export interface NetworkArgs {
  account: Account;
  choice: NetworkChoice;
  /** 1, or 3 for one in each zone. */
  natGateways: number;
  /** Roles and log group of the flow log; no flow log if absent. */
  flowLog?: { roleArn: pulumi.Input<string>; logGroupArn: pulumi.Input<string> };
}

const zoneCount = 3;

/** Services reached without leaving AWS's network: image layers, log-ins, logs. S3 has a gateway, which is free. */
const endpointServices = ["ecr.api", "ecr.dkr", "sts", "logs"];

/**
 * Three zones, each with a private subnet for nodes and database and a public one for the ways out and public doors.
 * An existing network is taken as it is: routes, endpoints and flow logs are its owner's.
 */
export class Network extends pulumi.ComponentResource {
  readonly vpcId: pulumi.Output<string>;
  readonly cidr: pulumi.Output<string>;
  readonly privateSubnetIds: pulumi.Output<string>[];
  readonly publicSubnetIds: pulumi.Output<string>[];
  /** What nodes need before they can reach anything. */
  readonly ways: pulumi.Resource[] = [];

  constructor(name: string, args: NetworkArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Network", name, {}, options);
    const { choice } = args;
    if (choice.kind === "existing") {
      this.vpcId = pulumi.output(choice.vpcId);
      this.cidr = ec2.getVpcOutput({ id: choice.vpcId }, { parent: this }).cidrBlock;
      this.privateSubnetIds = choice.privateSubnetIds.map((id) => pulumi.output(id));
      this.publicSubnetIds = choice.publicSubnetIds.map((id) => pulumi.output(id));
    } else {
      const network = this.network(args, choice.cidr);
      const zones = getAvailabilityZonesOutput(
        { state: "available", filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }] },
        { parent: this },
      ).names;
      const publicSubnets = this.subnets("public", network, zones, choice.cidr, args);
      const privateSubnets = this.subnets("private", network, zones, choice.cidr, args);
      const privateRoutes = this.routes(network, publicSubnets, privateSubnets, args);
      this.endpoints(network, privateSubnets, privateRoutes, args);
      this.vpcId = network.id;
      this.cidr = network.cidrBlock;
      this.privateSubnetIds = privateSubnets.map(({ id }) => id);
      this.publicSubnetIds = publicSubnets.map(({ id }) => id);
    }
    this.registerOutputs({ vpcId: this.vpcId });
  }

  private network({ account, flowLog }: NetworkArgs, cidrBlock: string): ec2.Vpc {
    const network = new ec2.Vpc(
      "vpc",
      { cidrBlock, enableDnsSupport: true, enableDnsHostnames: true, tags: { Name: account.prefix } },
      { parent: this },
    );
    // Whatever is started without a security group of its own gets this one: it lets nothing in or out.
    new ec2.DefaultSecurityGroup(
      "closed",
      { vpcId: network.id, ingress: [], egress: [] },
      { parent: network },
    );
    if (flowLog !== undefined) {
      new ec2.FlowLog(
        "refused",
        {
          vpcId: network.id,
          trafficType: "REJECT",
          iamRoleArn: flowLog.roleArn,
          logDestination: flowLog.logGroupArn,
        },
        { parent: network },
      );
    }
    return network;
  }

  private subnets(
    kind: "public" | "private",
    network: ec2.Vpc,
    zones: pulumi.Output<string[]>,
    cidr: string,
    { account }: NetworkArgs,
  ): ec2.Subnet[] {
    return Array.from(
      { length: zoneCount },
      (_, index) =>
        new ec2.Subnet(
          `${kind}-${index + 1}`,
          {
            vpcId: network.id,
            availabilityZone: zones.apply((names) => zoneAt(names, index)),
            cidrBlock: subnetRange(cidr, kind, index),
            mapPublicIpOnLaunch: false,
            tags: {
              Name: `${account.prefix}-${kind}-${index + 1}`,
              [kind === "public" ? "kubernetes.io/role/elb" : "kubernetes.io/role/internal-elb"]: "1",
            },
          },
          { parent: network },
        ),
    );
  }

  /** @returns the private route tables, one a zone. */
  private routes(
    network: ec2.Vpc,
    publicSubnets: ec2.Subnet[],
    privateSubnets: ec2.Subnet[],
    { account, natGateways }: NetworkArgs,
  ): ec2.RouteTable[] {
    const parent = network;
    const everywhere = "0.0.0.0/0";
    const gateway = new ec2.InternetGateway("internet", { vpcId: network.id }, { parent });
    const publicTable = new ec2.RouteTable(
      "public",
      { vpcId: network.id, tags: { Name: `${account.prefix}-public` } },
      { parent },
    );
    const out = new ec2.Route(
      "public",
      { routeTableId: publicTable.id, destinationCidrBlock: everywhere, gatewayId: gateway.id },
      { parent: publicTable },
    );
    for (const [index, subnet] of publicSubnets.entries()) {
      new ec2.RouteTableAssociation(
        `public-${index + 1}`,
        { routeTableId: publicTable.id, subnetId: subnet.id },
        { parent: publicTable },
      );
    }

    const nats = publicSubnets.slice(0, natGateways).map((subnet, index) => {
      const address = new ec2.Eip(`nat-${index + 1}`, { domain: "vpc" }, { parent });
      return new ec2.NatGateway(
        `nat-${index + 1}`,
        { subnetId: subnet.id, allocationId: address.id, tags: { Name: `${account.prefix}-${index + 1}` } },
        { parent, dependsOn: [out] },
      );
    });

    return privateSubnets.map((subnet, index) => {
      const name = `private-${index + 1}`;
      const table = new ec2.RouteTable(
        name,
        { vpcId: network.id, tags: { Name: `${account.prefix}-${name}` } },
        { parent },
      );
      const nat = nats[index] ?? nats[0];
      const route = new ec2.Route(
        name,
        { routeTableId: table.id, destinationCidrBlock: everywhere, natGatewayId: nat?.id },
        { parent: table },
      );
      const association = new ec2.RouteTableAssociation(
        name,
        { routeTableId: table.id, subnetId: subnet.id },
        { parent: table },
      );
      this.ways.push(route, association);
      return table;
    });
  }

  private endpoints(
    network: ec2.Vpc,
    subnets: ec2.Subnet[],
    tables: ec2.RouteTable[],
    { account }: NetworkArgs,
  ): void {
    const { region, prefix } = account;
    const parent = network;
    const s3 = new ec2.VpcEndpoint(
      "s3",
      {
        vpcId: network.id,
        serviceName: `com.amazonaws.${region}.s3`,
        vpcEndpointType: "Gateway",
        routeTableIds: tables.map(({ id }) => id),
      },
      { parent },
    );
    const group = new ec2.SecurityGroup(
      "endpoints",
      {
        vpcId: network.id,
        description: "HTTPS from inside the network to AWS",
        tags: { Name: `${prefix}-endpoints` },
      },
      { parent },
    );
    new vpc.SecurityGroupIngressRule(
      "endpoints",
      {
        securityGroupId: group.id,
        ipProtocol: "tcp",
        fromPort: 443,
        toPort: 443,
        cidrIpv4: network.cidrBlock,
        description: "HTTPS from inside",
      },
      { parent: group },
    );
    const interfaces = endpointServices.map(
      (service) =>
        new ec2.VpcEndpoint(
          service,
          {
            vpcId: network.id,
            serviceName: `com.amazonaws.${region}.${service}`,
            vpcEndpointType: "Interface",
            subnetIds: subnets.map(({ id }) => id),
            securityGroupIds: [group.id],
            privateDnsEnabled: true,
          },
          { parent },
        ),
    );
    this.ways.push(s3, ...interfaces);
  }
}

function zoneAt(names: string[], index: number): string {
  const zone = names[index];
  if (zone === undefined) {
    throw new pulumi.RunError(
      `The region has ${names.length} zones for this account, expected ${zoneCount}. Choose another: pulumi config set awsRegion REGION`,
    );
  }
  return zone;
}

/** Of a /16: private subnets take its first three quarters' halves (/19, 8190 addresses: each pod has one), public ones a /24 at its end. */
export function subnetRange(cidr: string, kind: "public" | "private", index: number): string {
  const network = cidr.split(".").slice(0, 2).join(".");
  return kind === "private" ? `${network}.${index * 32}.0/19` : `${network}.${250 + index}.0/24`;
}

import { beforeAll, describe, expect, it } from "vitest";
import type { Graph, Registered } from "../aws/graph";
import { mixedDoors, prodGraph } from "../aws/stack";
import { keyArn, types } from "../aws/types";

let graph: Graph;
let open: Graph;

beforeAll(async () => {
  graph = await prodGraph();
  open = await prodGraph(mixedDoors);
});

const inputs = (type: string, name: string) => graph.one(type, name).inputs;

describe("the stack on AWS: cluster", () => {
  it("is reached from inside the network only, unless a list says who else", () => {
    expect(inputs(types.cluster, "cluster")["vpcConfig"]).toMatchObject({
      endpointPrivateAccess: true,
      endpointPublicAccess: false,
    });
    expect(open.one(types.cluster, "cluster").inputs["vpcConfig"]).toMatchObject({
      endpointPrivateAccess: true,
      endpointPublicAccess: true,
      publicAccessCidrs: ["203.0.113.0/24"],
    });
  });

  it("encrypts its secrets and writes all its logs", () => {
    const cluster = inputs(types.cluster, "cluster");
    expect(cluster["encryptionConfig"]).toEqual({
      provider: { keyArn: keyArn("cluster") },
      resources: ["secrets"],
    });
    expect(cluster["enabledClusterLogTypes"]).toHaveLength(5);
  });

  it("keeps the nodes' keys from pods, and encrypts the nodes' disks", () => {
    expect(inputs("aws:ec2/launchTemplate:LaunchTemplate", "nodes")).toMatchObject({
      metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
      blockDeviceMappings: [{ ebs: { encrypted: "true", kmsKeyId: keyArn("cluster") } }],
    });
  });

  it("has nodes that stay for services, and spot nodes that only workers bear", () => {
    expect(inputs(types.nodes, "services")).toMatchObject({ capacityType: "ON_DEMAND", taints: [] });
    expect(inputs(types.nodes, "workers")).toMatchObject({
      capacityType: "SPOT",
      taints: [{ key: "lakestack.io/nodes", value: "workers", effect: "NO_SCHEDULE" }],
    });
    expect(inputs(types.nodes, "services")["subnetIds"]).toEqual([
      "private-1-id",
      "private-2-id",
      "private-3-id",
    ]);
  });

  it("brings the add-ons that services rely on, with network policies switched on", () => {
    expect(
      graph
        .ofType(types.addon)
        .map(({ name }) => name)
        .sort(),
    ).toEqual([
      "amazon-cloudwatch-observability",
      "aws-ebs-csi-driver",
      "coredns",
      "eks-pod-identity-agent",
      "kube-proxy",
      "metrics-server",
      "vpc-cni",
    ]);
    expect(JSON.parse(String(inputs(types.addon, "vpc-cni")["configurationValues"]))).toMatchObject({
      enableNetworkPolicy: "true",
    });
  });

  it("puts workers on spot nodes and everything else on nodes that stay", () => {
    const nodesOf = (controller: Registered) =>
      (
        controller.inputs["spec"] as {
          template: { spec: { nodeSelector: Record<string, string>; tolerations?: { value: string }[] } };
        }
      ).template.spec;
    const controllers = [
      ...graph.ofType(types.deployment),
      ...graph.ofType("kubernetes:apps/v1:StatefulSet"),
    ];
    for (const controller of controllers) {
      const kind = ["spark-worker", "trino-worker"].includes(controller.name) ? "workers" : "services";
      expect(nodesOf(controller).nodeSelector, controller.name).toMatchObject({ "lakestack.io/nodes": kind });
    }
    expect(nodesOf(graph.one(types.deployment, "spark-worker")).tolerations?.[0]?.value).toBe("workers");
  });

  it("runs images by digest", () => {
    for (const { name, inputs: deployment } of graph.ofType(types.deployment)) {
      const { template } = deployment["spec"] as { template: { spec: { containers: { image: string }[] } } };
      for (const { image } of template.spec.containers) expect(image, name).toMatch(/@sha256:0{64}$/);
    }
  });
});

describe("the stack on AWS: network", () => {
  it("stands in three zones, with one way out or one a zone", async () => {
    const zones = graph
      .ofType("aws:ec2/subnet:Subnet")
      .map(({ inputs: subnet }) => subnet["availabilityZone"]);
    expect(new Set(zones).size).toBe(3);
    expect(graph.ofType("aws:ec2/natGateway:NatGateway")).toHaveLength(1);
    const medium = await prodGraph({ awsSize: "medium" });
    expect(medium.ofType("aws:ec2/natGateway:NatGateway")).toHaveLength(3);
  });

  it("gives no subnet's machines public addresses, and the default security group no rule", () => {
    for (const { name, inputs: subnet } of graph.ofType("aws:ec2/subnet:Subnet")) {
      expect(subnet["mapPublicIpOnLaunch"], name).toBe(false);
    }
    expect(inputs("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "closed")).toMatchObject({
      ingress: [],
      egress: [],
    });
  });

  it("has subnets that do not overlap", () => {
    const ranges = graph
      .ofType("aws:ec2/subnet:Subnet")
      .map(({ inputs: subnet }) => range(String(subnet["cidrBlock"])));
    for (const [index, [start, end]] of ranges.entries()) {
      for (const [otherStart, otherEnd] of ranges.slice(index + 1))
        expect(end < otherStart || otherEnd < start).toBe(true);
    }
  });

  it("reaches S3, the registry, STS and logs without the internet", () => {
    const services = graph
      .ofType(types.endpoint)
      .map(({ name, inputs: endpoint }) => [name, endpoint["vpcEndpointType"]]);
    expect(Object.fromEntries(services)).toEqual({
      s3: "Gateway",
      "ecr.api": "Interface",
      "ecr.dkr": "Interface",
      sts: "Interface",
      logs: "Interface",
    });
  });

  it("lets the whole internet in nowhere, doors open or not", () => {
    for (const each of [graph, open]) {
      for (const { name, inputs: rule } of each.ofType(types.ingress)) {
        expect(rule["cidrIpv4"], name).not.toBe("0.0.0.0/0");
        expect(rule["cidrIpv6"], name).toBeUndefined();
      }
    }
  });

  it("takes an existing network by its ID and makes nothing in it but security groups", async () => {
    const existing = await prodGraph({
      awsVpcId: "vpc-0abc",
      awsPrivateSubnetIds: "subnet-1,subnet-2,subnet-3",
    });
    expect(existing.ofType("aws:ec2/vpc:Vpc")).toEqual([]);
    expect(existing.ofType("aws:ec2/subnet:Subnet")).toEqual([]);
    expect(existing.ofType(types.endpoint)).toEqual([]);
    expect(existing.one(types.nodes, "services").inputs["subnetIds"]).toEqual([
      "subnet-1",
      "subnet-2",
      "subnet-3",
    ]);
  });
});

describe("the stack on AWS: doors", () => {
  it("has none unless asked for", () => {
    expect(graph.ofType(types.balancer)).toEqual([]);
  });

  it("opens those asked for to the allow-list, with TLS", () => {
    expect(open.one(types.balancer, "trino").inputs).toMatchObject({
      loadBalancerType: "network",
      internal: false,
    });
    expect(open.one(types.balancer, "airflow").inputs).toMatchObject({
      loadBalancerType: "application",
      internal: true,
    });
    expect(open.one("aws:lb/listener:Listener", "trino").inputs).toMatchObject({
      port: 443,
      protocol: "TLS",
    });
    expect(open.one("aws:lb/listener:Listener", "airflow").inputs).toMatchObject({
      port: 443,
      protocol: "HTTPS",
    });
    const from = (door: string) =>
      open
        .ofType(types.ingress)
        .filter(({ inputs: rule }) => rule["securityGroupId"] === `${door}-id`)
        .map(({ inputs: rule }) => rule["cidrIpv4"]);
    expect(from("trino")).toEqual(["203.0.113.0/24", "198.51.100.7/32"]);
  });

  it("tells users the doors' names", () => {
    expect(open.outputs).toMatchObject({
      jdbcUrl: expect.anything() as unknown,
      airflowUrl: expect.anything() as unknown,
    });
    expect(
      open
        .ofType("aws:route53/record:Record")
        .filter(({ inputs: record }) => record["type"] === "A")
        .map(({ inputs: record }) => record["name"])
        .sort(),
    ).toEqual(["airflow.data.example.org", "trino.data.example.org"]);
  });
});

describe("the stack on AWS: images, logs, alarms", () => {
  it("keeps images under tags that cannot be moved, scanned and encrypted", () => {
    const repositories = graph.ofType(types.repository);
    expect(repositories.map(({ name }) => name).sort()).toEqual([
      "airflow",
      "nessie",
      "postgres",
      "spark",
      "trino",
    ]);
    for (const { name, inputs: repository } of repositories) {
      expect(repository, name).toMatchObject({
        imageTagMutability: "IMMUTABLE",
        imageScanningConfiguration: { scanOnPush: true },
        encryptionConfigurations: [{ encryptionType: "KMS", kmsKey: keyArn("cluster") }],
      });
      inputs("aws:ecr/lifecyclePolicy:LifecyclePolicy", name);
    }
  });

  it("encrypts every log and ends it", () => {
    for (const { name, inputs: group } of graph.ofType(types.logGroup)) {
      expect(group, name).toMatchObject({ kmsKeyId: keyArn("logs"), retentionInDays: 30 });
    }
  });

  it("makes log groups before those who write to them", () => {
    const cluster = graph.one(types.cluster, "cluster");
    expect(graph.waitsFor(cluster, graph.one(types.logGroup, "control-plane"))).toBe(true);
    expect(graph.waitsFor(cluster, graph.one(types.logGroup, "application"))).toBe(true);
    expect(
      graph.waitsFor(graph.one(types.database, "database"), graph.one(types.logGroup, "database-postgresql")),
    ).toBe(true);
  });

  it("wakes somebody for the few things that matter", () => {
    const alarms = graph.ofType("aws:cloudwatch/metricAlarm:MetricAlarm");
    expect(alarms.map(({ name }) => name).sort()).toEqual([
      "catalog-errors",
      "database-busy",
      "database-disk",
      "failed-runs",
      "scheduler-silent",
      "trino-certificate-days",
    ]);
    for (const { inputs: alarm } of alarms) expect(alarm["alarmActions"]).toHaveLength(1);
    expect(open.ofType("aws:cloudwatch/metricAlarm:MetricAlarm").map(({ name }) => name)).toContain(
      "certificate-days",
    );
  });
});

/** First and last address of a range. */
function range(cidr: string): [number, number] {
  const [address = "", bits = "32"] = cidr.split("/");
  const start = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return [start, start + 2 ** (32 - Number(bits)) - 1];
}

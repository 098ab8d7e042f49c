/** Types of resources that several tests ask for. */
export const types = {
  bucket: "aws:s3/bucket:Bucket",
  cluster: "aws:eks/cluster:Cluster",
  nodes: "aws:eks/nodeGroup:NodeGroup",
  database: "aws:rds/instance:Instance",
  repository: "aws:ecr/repository:Repository",
  logGroup: "aws:cloudwatch/logGroup:LogGroup",
  ingress: "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
  balancer: "aws:lb/loadBalancer:LoadBalancer",
  endpoint: "aws:ec2/vpcEndpoint:VpcEndpoint",
  addon: "aws:eks/addon:Addon",
  deployment: "kubernetes:apps/v1:Deployment",
};

/** ARN of a key, as the fixtures make it. */
export const keyArn = (name: string) => `arn:aws:kms:eu-west-1:123456789012:key/${name}`;

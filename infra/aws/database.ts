import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as ec2 from "@pulumi/aws/ec2";
import * as rds from "@pulumi/aws/rds";
import * as vpc from "@pulumi/aws/vpc";
import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./account";
import type { Encryption } from "./encryption";
import type { Network } from "./network";
import { dataOptions } from "./protection";
import type { Sizes } from "./sizes";

export interface DatabaseArgs {
  account: Account;
  network: Network;
  encryption: Encryption;
  sizes: Sizes;
  /** Group of the nodes: nobody else reaches the database. */
  clientGroupId: pulumi.Input<string>;
  backupDays: number;
  logRetentionDays: number;
  ephemeral: boolean;
}

const port = 5432;
const majorVersion = "17";

/** PostgreSQL by RDS, in two zones, for the catalog and for Airflow. */
export class Database extends pulumi.ComponentResource {
  readonly instance: rds.Instance;
  readonly host: pulumi.Output<string>;
  readonly port = port;
  /** Where AWS keeps the master password, which it changes every seven days. */
  readonly masterSecretArn: pulumi.Output<string>;

  constructor(name: string, args: DatabaseArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Database", name, {}, options);
    const group = this.securityGroup(args);
    const logs = this.logGroups(args);
    this.instance = this.database(args, group, logs);
    this.host = this.instance.address;
    this.masterSecretArn = this.instance.masterUserSecrets.apply((secrets) => secrets[0]?.secretArn ?? "");
    this.registerOutputs({ host: this.host });
  }

  private securityGroup({ account, network, clientGroupId }: DatabaseArgs): ec2.SecurityGroup {
    const group = new ec2.SecurityGroup(
      "database",
      {
        vpcId: network.vpcId,
        description: "PostgreSQL from the nodes of the cluster",
        tags: { Name: `${account.prefix}-database` },
      },
      { parent: this },
    );
    new vpc.SecurityGroupIngressRule(
      "database",
      {
        securityGroupId: group.id,
        referencedSecurityGroupId: clientGroupId,
        ipProtocol: "tcp",
        fromPort: port,
        toPort: port,
        description: "PostgreSQL from the nodes",
      },
      { parent: group },
    );
    return group;
  }

  /** Made before the database, which would make them without a key and for ever. */
  private logGroups({ account, encryption, logRetentionDays }: DatabaseArgs): pulumi.Resource[] {
    return ["postgresql", "upgrade"].map(
      (log) =>
        new cloudwatch.LogGroup(
          `database-${log}`,
          {
            name: `/aws/rds/instance/${account.prefix}/${log}`,
            kmsKeyId: encryption.logs.arn,
            retentionInDays: logRetentionDays,
          },
          { parent: this },
        ),
    );
  }

  private database(args: DatabaseArgs, group: ec2.SecurityGroup, logs: pulumi.Resource[]): rds.Instance {
    const { account, network, encryption, sizes, ephemeral } = args;
    const subnets = new rds.SubnetGroup(
      "database",
      { name: account.prefix, subnetIds: network.privateSubnetIds },
      { parent: this },
    );
    const parameters = new rds.ParameterGroup(
      "database",
      {
        name: `${account.prefix}-${majorVersion}`,
        family: `postgres${majorVersion}`,
        parameters: [
          // Who asks without TLS is refused.
          { name: "rds.force_ssl", value: "1" },
          { name: "log_min_duration_statement", value: "1000" },
        ],
      },
      { parent: this },
    );
    return new rds.Instance(
      "database",
      {
        identifier: account.prefix,
        engine: "postgres",
        engineVersion: majorVersion,
        instanceClass: sizes.databaseInstance,
        dbName: "lakestack",
        username: "lakestack",
        manageMasterUserPassword: true,
        masterUserSecretKmsKeyId: encryption.data.keyId,
        storageType: "gp3",
        allocatedStorage: sizes.databaseDisk,
        maxAllocatedStorage: sizes.databaseDiskMost,
        storageEncrypted: true,
        kmsKeyId: encryption.data.arn,
        multiAz: true,
        dbSubnetGroupName: subnets.name,
        vpcSecurityGroupIds: [group.id],
        publiclyAccessible: false,
        parameterGroupName: parameters.name,
        caCertIdentifier: "rds-ca-rsa2048-g1",
        backupRetentionPeriod: args.backupDays,
        backupWindow: "02:30-03:30",
        copyTagsToSnapshot: true,
        deleteAutomatedBackups: ephemeral,
        maintenanceWindow: "sun:04:00-sun:05:00",
        autoMinorVersionUpgrade: true,
        performanceInsightsEnabled: true,
        performanceInsightsKmsKeyId: encryption.data.arn,
        enabledCloudwatchLogsExports: ["postgresql", "upgrade"],
        deletionProtection: !ephemeral,
        skipFinalSnapshot: ephemeral,
        ...(ephemeral ? {} : { finalSnapshotIdentifier: `${account.prefix}-final` }),
      },
      { ...dataOptions(this, ephemeral), dependsOn: logs },
    );
  }
}

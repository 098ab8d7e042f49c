import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as sns from "@pulumi/aws/sns";
import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./account";
import { toldBy } from "./alarm-lines";
import { policyDocument } from "./policy-document";

export interface AlarmsArgs {
  account: Account;
  keyArn: pulumi.Input<string>;
  /** What containers write. */
  applicationLog: cloudwatch.LogGroup;
  databaseId: pulumi.Input<string>;
  databaseDiskGiB: number;
  /** Who writes how many days Trino's own certificate has left, and in which field of a line of JSON. */
  certificateDays: { workload: string; field: string };
  /** Certificate of the doors, if there is one. */
  certificateArn?: pulumi.Input<string>;
  email?: string;
}

/** One alarm: what is measured, when it is too much, and what that means for the one who is woken. */
interface Alarm {
  meaning: string;
  namespace: string;
  metric: string;
  dimensions?: Record<string, pulumi.Input<string>>;
  statistic: "Sum" | "Average" | "Minimum";
  when: "GreaterThanOrEqualToThreshold" | "LessThanThreshold";
  threshold: number;
  /** Seconds that a value stands for, and how many of them must be bad. */
  period: number;
  periods: number;
  /** What no value means. Default: nothing. */
  missing?: "breaching";
}

/** What is made of what containers write: the lines that count, and the number that each stands for. */
interface LogMetric {
  /** CloudWatch's filter syntax. */
  pattern: string;
  /** Default 1: lines are counted. */
  value?: string;
}

/** The lines of a workload's pods that match, in CloudWatch's filter syntax. */
const lines = (workload: string, text: string) =>
  `{ $.kubernetes.pod_name = "${workload}*" && $.log = ${JSON.stringify(text)} }`;

function logMetrics({ certificateDays }: AlarmsArgs): Record<string, LogMetric> {
  // CloudWatch's agent keeps what is in a line of JSON below this name, beside the line itself.
  const days = `$.log_processed.${certificateDays.field}`;
  return {
    SchedulerHeartbeats: { pattern: lines("airflow-scheduler", toldBy.heartbeat) },
    FailedRuns: { pattern: lines("airflow-scheduler", toldBy.failedRun) },
    CatalogErrors: { pattern: lines("catalog", toldBy.catalogError) },
    TrinoCertificateDays: {
      pattern: `{ $.kubernetes.pod_name = "${certificateDays.workload}*" && ${days} = * }`,
      value: days,
    },
  };
}

const gib = 1024 ** 3;

/** The few things that someone should be told of: mails by a topic. */
export class Alarms extends pulumi.ComponentResource {
  readonly topic: sns.Topic;

  constructor(name: string, args: AlarmsArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Alarms", name, {}, options);
    this.topic = this.makeTopic(args);
    const own = `Lakestack/${args.account.prefix}`;
    for (const [metric, { pattern, value = "1" }] of Object.entries(logMetrics(args))) {
      new cloudwatch.LogMetricFilter(
        metric,
        {
          name: metric,
          logGroupName: args.applicationLog.name,
          pattern,
          metricTransformation: { namespace: own, name: metric, value },
        },
        { parent: this },
      );
    }
    for (const [alarm, settings] of Object.entries(alarms(own, args))) this.alarm(alarm, settings, args);
    this.registerOutputs({ topic: this.topic.arn });
  }

  private makeTopic({ account, keyArn, email }: AlarmsArgs): sns.Topic {
    const topic = new sns.Topic(
      "alarms",
      { name: `${account.prefix}-alarms`, kmsMasterKeyId: keyArn },
      { parent: this },
    );
    new sns.TopicPolicy(
      "alarms",
      {
        arn: topic.arn,
        policy: policyDocument([
          {
            Sid: "Alarms",
            Effect: "Allow",
            Principal: { Service: "cloudwatch.amazonaws.com" },
            Action: ["sns:Publish"],
            Resource: [topic.arn],
            Condition: { StringEquals: { "aws:SourceAccount": account.id } },
          },
        ]),
      },
      { parent: topic },
    );
    if (email !== undefined) {
      new sns.TopicSubscription(
        "email",
        { topic: topic.arn, protocol: "email", endpoint: email },
        { parent: topic },
      );
    }
    return topic;
  }

  private alarm(name: string, alarm: Alarm, { account }: AlarmsArgs): void {
    new cloudwatch.MetricAlarm(
      name,
      {
        name: `${account.prefix}-${name}`,
        alarmDescription: alarm.meaning,
        namespace: alarm.namespace,
        metricName: alarm.metric,
        dimensions: alarm.dimensions ?? {},
        statistic: alarm.statistic,
        comparisonOperator: alarm.when,
        threshold: alarm.threshold,
        period: alarm.period,
        evaluationPeriods: alarm.periods,
        treatMissingData: alarm.missing ?? "notBreaching",
        alarmActions: [this.topic.arn],
        okActions: [this.topic.arn],
      },
      { parent: this },
    );
  }
}

function alarms(own: string, args: AlarmsArgs): Record<string, Alarm> {
  const database = { DBInstanceIdentifier: args.databaseId };
  return {
    "scheduler-silent": {
      meaning:
        "Airflow's scheduler has had no heartbeat for ten minutes: no pipeline runs. kubectl logs statefulset/airflow-scheduler",
      ...{
        namespace: own,
        metric: "SchedulerHeartbeats",
        statistic: "Sum",
        when: "LessThanThreshold",
        threshold: 1,
      },
      ...{ period: 300, periods: 2, missing: "breaching" },
    },
    "failed-runs": {
      meaning: "A pipeline's run failed. Airflow's page says which and why.",
      ...{
        namespace: own,
        metric: "FailedRuns",
        statistic: "Sum",
        when: "GreaterThanOrEqualToThreshold",
        threshold: 1,
      },
      ...{ period: 300, periods: 1 },
    },
    "catalog-errors": {
      meaning: "The catalog writes errors: jobs and queries may fail. kubectl logs deploy/catalog",
      ...{
        namespace: own,
        metric: "CatalogErrors",
        statistic: "Sum",
        when: "GreaterThanOrEqualToThreshold",
        threshold: 10,
      },
      ...{ period: 300, periods: 2 },
    },
    "database-disk": {
      meaning:
        "Less than a tenth of the database's disk is free. It grows by itself up to databaseDiskMost; raise that.",
      ...{ namespace: "AWS/RDS", metric: "FreeStorageSpace", dimensions: database, statistic: "Minimum" },
      ...{ when: "LessThanThreshold", threshold: (args.databaseDiskGiB * gib) / 10, period: 300, periods: 2 },
    },
    "database-busy": {
      meaning:
        "The database's processors have been nine tenths busy for half an hour: the catalog and Airflow are slow.",
      ...{ namespace: "AWS/RDS", metric: "CPUUtilization", dimensions: database, statistic: "Average" },
      ...{ when: "GreaterThanOrEqualToThreshold", threshold: 90, period: 300, periods: 6 },
    },
    "trino-certificate-days": {
      meaning:
        "The certificate that Trino shows inside the cluster ends in less than three weeks, or Trino has shown none for six " +
        "hours. pulumi up renews it. kubectl logs deploy/certificate-watch",
      ...{ namespace: own, metric: "TrinoCertificateDays", statistic: "Minimum", when: "LessThanThreshold" },
      ...{ threshold: 21, period: 21_600, periods: 1, missing: "breaching" },
    },
    ...(args.certificateArn === undefined
      ? {}
      : {
          "certificate-days": {
            meaning:
              "The doors' certificate ends in less than three weeks and was not renewed: is its DNS record still there?",
            ...{ namespace: "AWS/CertificateManager", metric: "DaysToExpiry", statistic: "Minimum" as const },
            ...{ dimensions: { CertificateArn: args.certificateArn } },
            ...{ when: "LessThanThreshold" as const, threshold: 21, period: 86_400, periods: 1 },
          },
        }),
  };
}

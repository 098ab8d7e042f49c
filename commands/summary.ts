import type { StackOutputs } from "./stack-outputs";
import { table } from "./table";

/** What `up` leaves a person with. Holds no secret: passwords are read by command. */
export function summary(facts: {
  stack: string;
  outputs: StackOutputs;
  /** Rows of each table, by its name in Trino. */
  rows: ReadonlyMap<string, number>;
  /** Where the authority's certificate was written: an absolute path, since clients start anywhere. */
  caFile: string;
  historyUrl: string;
  /** The time that each phase took, one line. */
  times: string;
}): string {
  const { stack, outputs, rows, caFile, times } = facts;
  const read = (name: string) => `pulumi stack output ${name} --show-secrets${option(stack)}`;
  const services = [
    ["Trino", outputs.trinoUrl, outputs.trinoUser, read("trinoPassword")],
    ["Airflow", outputs.airflowUrl, outputs.airflowUser, read("airflowPassword")],
    ["Object store (S3)", outputs.objectStoreUrl, outputs.objectStoreUser, read("objectStorePassword")],
    ["Spark master", outputs.sparkMasterUrl, "–", "none: on this machine only"],
    ["Spark history", facts.historyUrl, "–", "none: on this machine only"],
  ];
  const counts = [...rows].map(([name, count]) => [name, count.toLocaleString("en")]);
  const port = new URL(outputs.trinoUrl).port;
  return [
    table(["service", "address", "user", "password: run this"], services),
    "",
    'The pulumi command is made ready in a shell by:  eval "$(npm run -s env)"',
    "",
    table(["table", "rows"], counts),
    "",
    "Query them:",
    `  JDBC URL    ${outputs.jdbcUrl}&SSLTrustStorePath=${caFile}`,
    `  trino-cli   TRINO_PASSWORD="$(${read("trinoPassword")})" \\`,
    `              trino --server ${outputs.trinoUrl} --user ${outputs.trinoUser} --password --catalog iceberg \\`,
    `              --truststore-path ${caFile}`,
    `  DBeaver     New connection, Trino: host localhost, port ${port}, database iceberg, user ${outputs.trinoUser};`,
    `              driver properties: SSL = true, SSLTrustStorePath = ${caFile}`,
    "",
    `Time: ${times}`,
  ].join("\n");
}

/** `pulumi` takes the stack that is selected, which is dev. */
const option = (stack: string) => (stack === "dev" ? "" : ` --stack ${stack}`);

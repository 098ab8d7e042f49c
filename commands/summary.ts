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
  /** The phases and their times. */
  times: readonly (readonly string[])[];
}): string {
  const { stack, outputs, rows, caFile, times } = facts;
  const read = (name: string) => `pulumi stack output ${name} --show-secrets${option(stack)}`;
  const none = "none: this machine only";
  const services = [
    ["Trino", outputs.trinoUrl, outputs.trinoUser, "trinoPassword"],
    ["Airflow", outputs.airflowUrl, outputs.airflowUser, "airflowPassword"],
    ["Object store (S3)", outputs.objectStoreUrl, outputs.objectStoreUser, "objectStorePassword"],
    ["Spark master", outputs.sparkMasterUrl, "–", none],
    ["Spark history", facts.historyUrl, "–", none],
  ];
  const counts = [...rows].map(([name, count]) => [name, count.toLocaleString("en")]);
  const port = new URL(outputs.trinoUrl).port;
  return [
    table(["phase", "time"], times),
    "",
    table(["table", "rows"], counts),
    "",
    table(["service", "address", "user", "password"], services),
    "",
    "Read a password:",
    '  eval "$(npm run -s env)"     once in a shell: makes the pulumi command ready',
    `  ${read("trinoPassword")}`,
    "",
    "Let others in:",
    `  npm run user -- add NAME --role analyst${stack === "dev" ? "" : `     with LAKESTACK_STACK=${stack}`}`,
    "",
    "Query the tables:",
    `  JDBC URL    ${outputs.jdbcUrl}&SSLTrustStorePath=${caFile}`,
    `  trino-cli   TRINO_PASSWORD="$(${read("trinoPassword")})" \\`,
    `              trino --server ${outputs.trinoUrl} --user ${outputs.trinoUser} --password --catalog iceberg \\`,
    `              --truststore-path ${caFile}`,
    `  DBeaver     New connection, Trino: host localhost, port ${port}, database iceberg, user ${outputs.trinoUser};`,
    `              driver properties: SSL = true, SSLTrustStorePath = ${caFile}`,
  ].join("\n");
}

/** `pulumi` takes the stack that is selected, which is dev. */
const option = (stack: string) => (stack === "dev" ? "" : ` --stack ${stack}`);

/**
 * Partition fields, as sources.yaml writes them: Trino's words.
 * https://trino.io/docs/current/connector/iceberg.html#partitioned-tables
 */
export interface PartitionField {
  transform: "identity" | "year" | "month" | "day" | "hour" | "bucket" | "truncate";
  column: string;
  /** As Trino spells the field. */
  trino: string;
  /** As Spark spells it. */
  spark: string;
}

export const partitionExpectation =
  "a column, year(column), month(column), day(column), hour(column), bucket(column, number) or truncate(column, number)";

const dates = ["year", "month", "day", "hour"] as const;

/** Parses a partition field; throws an Error whose message says what it is not. */
export function parsePartitionField(text: string): PartitionField {
  const trimmed = text.trim();
  const match = /^([a-z_][a-z0-9_]*)(?:\(\s*([a-z_][a-z0-9_]*)\s*(?:,\s*([1-9]\d{0,4})\s*)?\))?$/.exec(
    trimmed,
  );
  const [, word = "", column, number] = match ?? [];
  if (match !== null && column === undefined) {
    return { transform: "identity", column: word, trino: word, spark: `\`${word}\`` };
  }
  const date = dates.find((name) => name === word);
  if (date !== undefined && column !== undefined && number === undefined) {
    return { transform: date, column, trino: `${date}(${column})`, spark: `${date}s(\`${column}\`)` };
  }
  if ((word === "bucket" || word === "truncate") && column !== undefined && number !== undefined) {
    return {
      transform: word,
      column,
      trino: `${word}(${column}, ${number})`,
      spark: `${word}(${number}, \`${column}\`)`,
    };
  }
  throw new Error(`"${trimmed}" is no partition field`);
}

/** Whether a column of a type can be partitioned so. https://iceberg.apache.org/spec/#partition-transforms */
export function fits({ transform }: PartitionField, type: string): boolean {
  switch (transform) {
    case "year":
    case "month":
    case "day":
      return /^(date|timestamp)/.test(type);
    case "hour":
      return type.startsWith("timestamp");
    case "bucket":
      return /^(varchar|integer|bigint|decimal|date|timestamp)/.test(type);
    case "truncate":
      return /^(varchar|integer|bigint|decimal)/.test(type);
    case "identity":
      return !/^(array|row|map|real|double)/.test(type);
  }
}

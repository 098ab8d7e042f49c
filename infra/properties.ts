/** A value of a configuration file; a key whose value is undefined is left out. */
export type PropertyValue = string | number | boolean | undefined;

/** Renders `key=value` lines, as Trino, Nessie and Airflow's start scripts read them. */
export function renderProperties(values: Record<string, PropertyValue>, separator = "="): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}${separator}${value as string | number | boolean}\n`)
    .join("");
}

/** Where in a document. */
export type Path = (string | number)[];

/** A fault whose line is not known yet. */
export interface Found {
  path: Path;
  found: string;
  expected: string;
}

/** A value for a message. */
export function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

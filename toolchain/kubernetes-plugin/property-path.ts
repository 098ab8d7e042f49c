/** A way down into an object: names of properties, and places in lists. */
export type PropertyPath = readonly (string | number)[];

/** The form in which Pulumi shows and reads a path: `spec.ports[0].port`, `metadata.labels["a.b/c"]`. */
export function formatPath(path: PropertyPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    if (!/^[A-Za-z_$][\w$-]*$/.test(step)) return `${text}[${JSON.stringify(step)}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

/** Reads a path in the form above; a `*` in brackets stands for any place. */
export function parsePath(text: string): PropertyPath {
  const steps: (string | number)[] = [];
  for (const [, plain, index, quoted] of text.matchAll(/([^.[\]"]+)|\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]/g)) {
    if (quoted !== undefined) steps.push(quoted.replace(/\\(.)/g, "$1"));
    else if (plain !== undefined) steps.push(plain);
    else if (index !== undefined) steps.push(index === "*" ? "*" : Number(index));
  }
  return steps;
}

/** Is the path the same as the other, or below it? `*` in the other stands for any step. */
export function isWithin(path: PropertyPath, other: PropertyPath): boolean {
  return other.length <= path.length && other.every((step, index) => step === "*" || step === path[index]);
}

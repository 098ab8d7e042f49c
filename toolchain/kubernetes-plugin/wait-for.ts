import type { KubeObject } from "./kube-object";
import { conditionOf, valueAt } from "./kube-object";
import { type PropertyPath, parsePath } from "./property-path";

/** One of the conditions of the annotation `pulumi.com/waitFor`. */
export interface WaitFor {
  /** As the program has it. */
  text: string;
  isMet(object: KubeObject): boolean;
}

/**
 * Reads the annotation: `condition=TYPE`, `condition=TYPE=STATUS`, `jsonpath={.a.b[0]}` (any value) or
 * `jsonpath={.a.b}=VALUE`, or a JSON list of these, all of which are to be met.
 */
export function parseWaitFor(annotation: string): WaitFor[] {
  const texts = annotation.trimStart().startsWith("[")
    ? (JSON.parse(annotation) as unknown[]).map(String)
    : [annotation];
  return texts.map(parseOne);
}

function parseOne(text: string): WaitFor {
  const [, type, status = "True"] = /^condition=([^=]+)(?:=(.+))?$/.exec(text) ?? [];
  if (type !== undefined)
    return {
      text,
      isMet: (object) => conditionOf(object, type)?.status?.toLowerCase() === status.toLowerCase(),
    };

  const [, expression, wanted] = /^jsonpath='?\{?([^}=']+)\}?'?(?:=(.+))?$/.exec(text) ?? [];
  if (expression === undefined)
    throw new Error(`expected condition=TYPE or jsonpath={.path}=VALUE, but found "${text}"`);
  const path = simplePath(expression);
  return {
    text,
    isMet: (object) => {
      const found = valueAt(object, ...path);
      return wanted === undefined ? found !== undefined : asText(found) === wanted;
    },
  };
}

function simplePath(expression: string): PropertyPath {
  if (!/^\$?(\.[\w-]+|\[\d+\]|\["[^"]+"\]|\[\\?'[^']+'\])+$/.test(expression))
    throw new Error(
      `the JSONPath "${expression}" is not supported by the stand-in; supported: names and places, such as {.status.a[0].b}`,
    );
  return parsePath(expression.replace(/^\$/, "").replace(/\[\\?'([^']+)'\]/g, '["$1"]'));
}

function asText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

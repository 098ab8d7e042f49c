import type * as TypeScript from "typescript";
import type { Values } from "../plugin-protocol/provider";
import { UNKNOWN } from "../plugin-protocol/provider";
import type { Declarations } from "./declarations";

/**
 * What a program sees of a resource in a preview: its inputs, and inside them, as not known yet, what AWS adds. What is no input
 * at all is left out, which means the same.
 */
export function previewOutputs(declarations: Declarations, type: string, inputs: Values): Values {
  const outputs = declarations.outputs(type);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => {
      const declared = outputs.get(name);
      return [name, declared === undefined ? value : complete(declarations, declared.type, value)];
    }),
  );
}

function complete(declarations: Declarations, type: TypeScript.TypeNode, value: unknown): unknown {
  const ts = declarations.typescript;
  if (value === UNKNOWN) return value;
  if (ts.isUnionTypeNode(type)) {
    const [only, ...others] = type.types.filter(({ kind }) => kind !== ts.SyntaxKind.UndefinedKeyword);
    return only === undefined || others.length > 0 ? value : complete(declarations, only, value);
  }
  if (ts.isArrayTypeNode(type)) {
    return Array.isArray(value) ? value.map((each) => complete(declarations, type.elementType, each)) : value;
  }
  if (!ts.isTypeReferenceNode(type)) return value;
  const [argument] = type.typeArguments ?? [];
  if (argument !== undefined) return complete(declarations, argument, value);
  const members = declarations.output(type.typeName);
  if (members === undefined || typeof value !== "object" || value === null) return value;
  const given = value as Values;
  const added = [...members].filter(([name, { optional }]) => !optional && given[name] === undefined);
  return {
    ...Object.fromEntries(added.map(([name]) => [name, UNKNOWN])),
    ...Object.fromEntries(
      Object.entries(given).map(([name, each]) => {
        const declared = members.get(name);
        return [name, declared === undefined ? each : complete(declarations, declared.type, each)];
      }),
    ),
  };
}

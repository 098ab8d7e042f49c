import type * as TypeScript from "typescript";
import type { Fault, Values } from "../plugin-protocol/provider";
import { UNKNOWN } from "../plugin-protocol/provider";
import type { Declarations, Members } from "./declarations";

/** Holds inputs against what the SDK declares: names, required ones, kinds of values. */
export function checkInputs(declarations: Declarations, members: Members, inputs: Values): Fault[] {
  return new Checker(declarations).object(members, inputs, "");
}

/** Properties that the SDK and the engine add for themselves. */
const isOwn = (name: string) => name.startsWith("__");

class Checker {
  private readonly ts: typeof TypeScript;

  constructor(private readonly declarations: Declarations) {
    this.ts = declarations.typescript;
  }

  object(members: Members, given: Values, at: string): Fault[] {
    const path = (name: string) => (at === "" ? name : `${at}.${name}`);
    const known = Object.entries(given).filter(([name]) => !isOwn(name));
    const missing = [...members]
      .filter(([name, { optional }]) => !optional && given[name] === undefined)
      .map(([name]) => ({ path: path(name), reason: "is required and not set" }));
    const faults = known.flatMap(([name, value]) => {
      const declared = members.get(name);
      if (declared === undefined)
        return [{ path: path(name), reason: `is no input; there are ${nearest(name, members)}` }];
      return value === undefined || value === null ? [] : this.value(declared.type, value, path(name));
    });
    return [...missing, ...faults];
  }

  private value(type: TypeScript.TypeNode, value: unknown, path: string): Fault[] {
    if (value === UNKNOWN) return [];
    const { ts } = this;
    if (ts.isParenthesizedTypeNode(type)) return this.value(type.type, value, path);
    if (ts.isUnionTypeNode(type)) return this.union(type, value, path);
    if (ts.isArrayTypeNode(type)) return this.list(type.elementType, value, path);
    if (ts.isTypeLiteralNode(type)) return this.map(type, value, path);
    if (ts.isTypeReferenceNode(type)) return this.reference(type, value, path);
    const wanted = primitive(ts, type.kind);
    return wanted === undefined || typeof value === wanted ? [] : [unexpected(path, value, `a ${wanted}`)];
  }

  /** One of several: what is right for one of them is right. */
  private union(type: TypeScript.UnionTypeNode, value: unknown, path: string): Fault[] {
    const choices = type.types.filter(({ kind }) => kind !== this.ts.SyntaxKind.UndefinedKeyword);
    const tried = choices.map((choice) => this.value(choice, value, path));
    return tried.some((faults) => faults.length === 0) ? [] : (tried[0] ?? []);
  }

  private list(element: TypeScript.TypeNode, value: unknown, path: string): Fault[] {
    if (!Array.isArray(value)) return [unexpected(path, value, "a list")];
    return value.flatMap((each, index) => this.value(element, each, `${path}[${index}]`));
  }

  /** `{ [key: string]: … }` */
  private map(type: TypeScript.TypeLiteralNode, value: unknown, path: string): Fault[] {
    if (!isObject(value)) return [unexpected(path, value, "a map")];
    const [member] = type.members;
    if (member === undefined || !this.ts.isIndexSignatureDeclaration(member)) return [];
    return Object.entries(value).flatMap(([key, each]) => this.value(member.type, each, `${path}["${key}"]`));
  }

  private reference(type: TypeScript.TypeReferenceNode, value: unknown, path: string): Fault[] {
    const name = this.declarations.nameOf(type.typeName);
    const [argument] = type.typeArguments ?? [];
    // pulumi.Input<…> is the value itself by the time that it comes here.
    if (argument !== undefined) return this.value(argument, value, path);
    if (name.startsWith("inputs.")) {
      if (!isObject(value)) return [unexpected(path, value, "an object")];
      const members = this.declarations.input(name.slice("inputs.".length));
      return members === undefined ? [] : this.object(members, value, path);
    }
    if (name.startsWith("enums."))
      return typeof value === "object" ? [unexpected(path, value, "a plain value")] : [];
    // Other resources, assets, archives: the SDK has made of them what the provider takes.
    return [];
  }
}

function primitive(
  ts: typeof TypeScript,
  kind: TypeScript.SyntaxKind,
): "string" | "number" | "boolean" | undefined {
  switch (kind) {
    case ts.SyntaxKind.StringKeyword:
      return "string";
    case ts.SyntaxKind.NumberKeyword:
      return "number";
    case ts.SyntaxKind.BooleanKeyword:
      return "boolean";
    default:
      return undefined;
  }
}

const isObject = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function unexpected(path: string, value: unknown, wanted: string): Fault {
  const kind = Array.isArray(value) ? "a list" : `a ${typeof value}`;
  return { path, reason: `is ${kind}, expected ${wanted}` };
}

/** The names that begin alike, else all. */
function nearest(name: string, members: Members): string {
  const names = [...members.keys()];
  const alike = names.filter((each) => each.slice(0, 3).toLowerCase() === name.slice(0, 3).toLowerCase());
  return (alike.length > 0 ? alike : names).join(", ");
}

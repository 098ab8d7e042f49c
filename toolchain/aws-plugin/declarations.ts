import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";
import type * as TypeScript from "typescript";

/** A property of an interface, as the SDK declares it. */
export interface Declared {
  optional: boolean;
  type: TypeScript.TypeNode;
}

export type Members = ReadonlyMap<string, Declared>;

/**
 * The inputs of resources and of their nested values, from the type declarations of the installed SDK. Files are read
 * when a resource needs them, once a process.
 */
export class Declarations {
  readonly typescript: typeof TypeScript;
  private readonly folder: string;
  private readonly resources = new Map<string, Members | undefined>();
  private nested: ReadonlyMap<string, Members> | undefined;

  /** @param project a folder whose packages hold the SDK and the compiler that reads it. */
  constructor(project: string) {
    const resolve = createRequire(path.join(project, "package.json"));
    // Not bundled: the compiler is larger than all the rest together.
    this.typescript = resolve("typescript") as typeof TypeScript;
    this.folder = path.dirname(resolve.resolve("@pulumi/aws/package.json"));
  }

  /** Inputs of a resource type such as `aws:s3/bucket:Bucket`; undefined if the SDK has no such type. */
  resource(token: string): Members | undefined {
    if (!this.resources.has(token)) this.resources.set(token, this.readResource(token));
    return this.resources.get(token);
  }

  /** Configuration of the provider itself. */
  provider(): Members {
    return this.interfacesIn("provider.d.ts").get("ProviderArgs") ?? new Map<string, Declared>();
  }

  /** An interface of nested inputs by its name below `inputs`: `s3.BucketLoggingTargetGrant`. */
  input(name: string): Members | undefined {
    this.nested ??= this.interfacesIn("types/input.d.ts");
    return this.nested.get(name);
  }

  private readResource(token: string): Members | undefined {
    const [, module = "", type = ""] = token.split(":");
    // aws:index/x:X lies at the top of the package.
    const file = `${module.replace(/^index\//, "")}.d.ts`;
    try {
      return this.interfacesIn(file).get(`${type}Args`);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Every interface of a file, those in namespaces under `namespace.Name`. */
  private interfacesIn(file: string): ReadonlyMap<string, Members> {
    const ts = this.typescript;
    const text = readFileSync(path.join(this.folder, file), "utf8");
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, false);
    const found = new Map<string, Members>();
    const visit = (statements: TypeScript.NodeArray<TypeScript.Statement>, prefix: string) => {
      for (const statement of statements) {
        if (ts.isInterfaceDeclaration(statement)) {
          found.set(`${prefix}${statement.name.text}`, membersOf(ts, statement));
        } else if (ts.isModuleDeclaration(statement) && statement.body && ts.isModuleBlock(statement.body)) {
          visit(statement.body.statements, `${prefix}${statement.name.text}.`);
        }
      }
    };
    visit(source.statements, "");
    return found;
  }
}

function membersOf(ts: typeof TypeScript, declaration: TypeScript.InterfaceDeclaration): Members {
  return new Map(
    declaration.members.flatMap((member): [string, Declared][] =>
      ts.isPropertySignature(member) && member.type !== undefined
        ? [[nameOf(ts, member.name), { optional: member.questionToken !== undefined, type: member.type }]]
        : [],
    ),
  );
}

function nameOf(ts: typeof TypeScript, name: TypeScript.PropertyName): string {
  return ts.isIdentifier(name) || ts.isStringLiteral(name) ? name.text : "";
}

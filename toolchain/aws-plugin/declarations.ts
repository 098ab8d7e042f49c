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
  private readonly classes = new Map<string, Members>();
  private nestedInputs: ReadonlyMap<string, Members> | undefined;
  private nestedOutputs: ReadonlyMap<string, Members> | undefined;

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
    return this.membersIn("provider.d.ts").get("ProviderArgs") ?? new Map<string, Declared>();
  }

  /** An interface of nested inputs by its name below `inputs`: `s3.BucketLoggingTargetGrant`. */
  input(name: string): Members | undefined {
    this.nestedInputs ??= this.membersIn("types/input.d.ts");
    return this.nestedInputs.get(name);
  }

  /** Properties of a resource as the program sees them. */
  outputs(token: string): Members {
    const known = this.classes.get(token);
    if (known !== undefined) return known;
    const { file, name } = place(token);
    const members = this.membersIn(file).get(name) ?? new Map<string, Declared>();
    this.classes.set(token, members);
    return members;
  }

  /** An interface of nested outputs, where a type refers to one: `outputs.eks.ClusterVpcConfig`. */
  output(reference: TypeScript.EntityName): Members | undefined {
    const name = this.nameOf(reference);
    if (!name.startsWith("outputs.")) return undefined;
    this.nestedOutputs ??= this.membersIn("types/output.d.ts");
    return this.nestedOutputs.get(name.slice("outputs.".length));
  }

  nameOf(name: TypeScript.EntityName): string {
    return this.typescript.isIdentifier(name) ? name.text : `${this.nameOf(name.left)}.${name.right.text}`;
  }

  private readResource(token: string): Members | undefined {
    const { file, name } = place(token);
    try {
      return this.membersIn(file).get(`${name}Args`);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Every interface and class of a file, those in namespaces under `namespace.Name`. */
  private membersIn(file: string): ReadonlyMap<string, Members> {
    const ts = this.typescript;
    const text = readFileSync(path.join(this.folder, file), "utf8");
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, false);
    const found = new Map<string, Members>();
    const visit = (statements: TypeScript.NodeArray<TypeScript.Statement>, prefix: string) => {
      for (const statement of statements) {
        if (ts.isInterfaceDeclaration(statement) || ts.isClassDeclaration(statement)) {
          found.set(`${prefix}${statement.name?.text ?? ""}`, membersOf(ts, statement));
        } else if (ts.isModuleDeclaration(statement) && statement.body && ts.isModuleBlock(statement.body)) {
          visit(statement.body.statements, `${prefix}${statement.name.text}.`);
        }
      }
    };
    visit(source.statements, "");
    return found;
  }
}

/** Where a type is declared; `aws:index/x:X` at the top of the package. */
function place(token: string): { file: string; name: string } {
  const [, module = "", name = ""] = token.split(":");
  return { file: `${module.replace(/^index\//, "")}.d.ts`, name };
}

function membersOf(
  ts: typeof TypeScript,
  declaration: TypeScript.InterfaceDeclaration | TypeScript.ClassDeclaration,
): Members {
  const members: readonly TypeScript.Node[] = declaration.members;
  return new Map(
    members.flatMap((member): [string, Declared][] =>
      (ts.isPropertySignature(member) || ts.isPropertyDeclaration(member)) && member.type !== undefined
        ? [[nameOf(ts, member.name), { optional: member.questionToken !== undefined, type: member.type }]]
        : [],
    ),
  );
}

function nameOf(ts: typeof TypeScript, name: TypeScript.PropertyName): string {
  return ts.isIdentifier(name) || ts.isStringLiteral(name) ? name.text : "";
}

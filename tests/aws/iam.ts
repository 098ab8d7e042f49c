/**
 * Evaluates the part of IAM's policy grammar that this project uses: Effect, Action and Resource with wildcards,
 * Principal, and the conditions StringEquals, StringLike and Bool. Anything else is an error, never a silent pass.
 */

export interface PolicyStatement {
  Sid?: string;
  Effect: "Allow" | "Deny";
  Principal?: "*" | Record<string, string | string[]>;
  Action: string | string[];
  Resource?: string | string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

export interface Policy {
  Version: string;
  Statement: PolicyStatement[];
}

/** What is asked: an action on a resource, with what IAM knows about the call. */
export interface Request {
  action: string;
  resource: string;
  /** Condition keys and their values; a key that is not there is unknown to IAM, too. */
  context?: Record<string, string>;
  /** Who asks, for policies of resources and trust policies, such as `Service:ec2.amazonaws.com`. */
  principal?: string;
}

const statementKeys = new Set(["Sid", "Effect", "Principal", "Action", "Resource", "Condition"]);

/** Reads a policy and refuses what the evaluator does not know. */
export function readPolicy(json: string): Policy {
  const policy = JSON.parse(json) as Policy;
  if (policy.Version !== "2012-10-17") throw new Error(`Version ${policy.Version}, expected 2012-10-17`);
  for (const statement of policy.Statement) {
    const unknown = Object.keys(statement).filter((key) => !statementKeys.has(key));
    if (unknown.length > 0) throw new Error(`The evaluator does not know ${unknown.join(", ")}`);
  }
  return policy;
}

/** Whether the policies together allow a request: some statement allows it, and none denies it. */
export function allows(policies: Policy[], request: Request): boolean {
  const statements = policies
    .flatMap(({ Statement }) => Statement)
    .filter((statement) => applies(statement, request));
  if (statements.some(({ Effect }) => Effect === "Deny")) return false;
  return statements.some(({ Effect }) => Effect === "Allow");
}

function applies(statement: PolicyStatement, request: Request): boolean {
  const matchesAction = list(statement.Action).some((pattern) =>
    matches(pattern.toLowerCase(), request.action.toLowerCase()),
  );
  const matchesResource =
    statement.Resource === undefined ||
    list(statement.Resource).some((pattern) => matches(pattern, request.resource));
  return (
    matchesAction &&
    matchesResource &&
    matchesPrincipal(statement.Principal, request.principal) &&
    Object.entries(statement.Condition ?? {}).every(([operator, keys]) =>
      Object.entries(keys).every(([key, wanted]) => holds(operator, request.context?.[key], list(wanted))),
    )
  );
}

function matchesPrincipal(principal: PolicyStatement["Principal"], asking: string | undefined): boolean {
  if (principal === undefined || principal === "*") return true;
  return Object.entries(principal).some(([kind, names]) =>
    list(names).some((name) => name === "*" || `${kind}:${name}` === asking),
  );
}

function holds(operator: string, value: string | undefined, wanted: string[]): boolean {
  switch (operator) {
    case "StringEquals":
      return value !== undefined && wanted.includes(value);
    case "StringLike":
      return value !== undefined && wanted.some((pattern) => matches(pattern, value));
    case "Bool":
      return value !== undefined && wanted.some((each) => each.toLowerCase() === value.toLowerCase());
    default:
      throw new Error(`The evaluator does not know the condition ${operator}`);
  }
}

/** `*` stands for any text, `?` for one character; all else for itself. */
export function matches(pattern: string, value: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(value);
}

const list = (value: string | string[]) => (Array.isArray(value) ? value : [value]);

import type { Options } from "../../policy/rule";
import { rules } from "../../policy/rules";
import { stackRules } from "../../policy/stack-rules";
import type { Subject } from "../../policy/subject";

/** What the policy pack says of resources, as `rule: name: fault`. */
export function verdict(all: Subject[], options: Options = {}): string[] {
  const single = rules.flatMap((rule) =>
    all
      .filter(({ type }) => rule.types.includes(type))
      .flatMap((subject) =>
        rule.check(subject, options).map((fault) => `${rule.name}: ${subject.name}: ${fault}`),
      ),
  );
  const together = stackRules.flatMap((rule) =>
    rule.check(all, options).map(({ subject, message }) => `${rule.name}: ${subject.name}: ${message}`),
  );
  return [...single, ...together];
}

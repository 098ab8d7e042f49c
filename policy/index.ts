import { PolicyPack, type ResourceValidationPolicy, type StackValidationPolicy } from "@pulumi/policy";
import type { Options } from "./rule";
import { rules } from "./rules";
import { stackRules } from "./stack-rules";

/** How a policy's option is declared: `pulumi preview --policy-pack policy --policy-pack-config FILE`. */
const schema = (option: keyof Options | undefined) =>
  option === undefined
    ? {}
    : { configSchema: { properties: { [option]: { type: "boolean" as const, default: false } } } };

const single = rules.map(({ name, description, types, option, check }): ResourceValidationPolicy => ({
  name,
  description,
  enforcementLevel: "mandatory",
  ...schema(option),
  validateResource: (resource, report) => {
    if (!types.includes(resource.type)) return;
    const subject = { ...resource, protect: resource.opts.protect };
    for (const fault of check(subject, resource.getConfig<Options>())) report(fault);
  },
}));

const together = stackRules.map(({ name, description, option, check }): StackValidationPolicy => ({
  name,
  description,
  enforcementLevel: "mandatory",
  ...schema(option),
  validateStack: (stack, report) => {
    const subjects = stack.resources.map(({ type, name: resource, props, opts, urn }) => ({
      ...{ type, name: resource, props, urn },
      protect: opts.protect,
    }));
    for (const { subject, message } of check(subjects, stack.getConfig<Options>())) {
      report(message, subjects.find((each) => each === subject)?.urn);
    }
  },
}));

new PolicyPack("lakestack", { policies: [...single, ...together] });

import { PolicyPack, type ResourceValidationPolicy, type StackValidationPolicy } from "@pulumi/policy";
import { rules } from "./rules";
import { stackRules } from "./stack-rules";

/** Options of the pack's policies: `pulumi preview --policy-pack policy --policy-pack-config FILE`. */
interface Options {
  /** The stack is a throw-away one (`awsEphemeral`): it protects no data. */
  throwAway?: boolean;
}

const single = rules.map(({ name, description, types, check }): ResourceValidationPolicy => ({
  name,
  description,
  enforcementLevel: "mandatory",
  validateResource: ({ type, name: resource, props, opts }, report) => {
    if (!types.includes(type)) return;
    for (const fault of check({ type, name: resource, props, protect: opts.protect })) report(fault);
  },
}));

const together = stackRules.map(({ name, description, check }): StackValidationPolicy => ({
  name,
  description,
  enforcementLevel: "mandatory",
  configSchema: { properties: { throwAway: { type: "boolean", default: false } } },
  validateStack: (stack, report) => {
    const subjects = stack.resources.map(({ type, name: resource, props, opts, urn }) => ({
      ...{ type, name: resource, props, urn },
      protect: opts.protect,
    }));
    const { throwAway = false } = stack.getConfig<Options>();
    for (const { subject, message } of check(subjects, { throwAway })) {
      report(message, subjects.find((each) => each === subject)?.urn);
    }
  },
}));

new PolicyPack("lakestack", { policies: [...single, ...together] });

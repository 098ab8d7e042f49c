import { awsRules } from "./aws-rules";
import { dockerRules } from "./docker-rules";
import { kubernetesRules } from "./kubernetes-rules";
import type { Rule } from "./rule";
import { secretRules } from "./secret-rules";

/** Rules for single resources, of all platforms: one that a stack has no resource for says nothing. */
export const rules: Rule[] = [...dockerRules, ...kubernetesRules, ...secretRules, ...awsRules];

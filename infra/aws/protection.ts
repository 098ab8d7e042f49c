import type * as pulumi from "@pulumi/pulumi";

/**
 * Options of what holds data: Pulumi refuses to delete it, and leaves it in the account if it is taken out of
 * the program. A throw-away stack has neither: `destroy` takes all.
 */
export function dataOptions(parent: pulumi.Resource, ephemeral: boolean): pulumi.CustomResourceOptions {
  return { parent, protect: !ephemeral, retainOnDelete: !ephemeral };
}

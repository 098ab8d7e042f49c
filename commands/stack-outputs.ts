import type { Outputs } from "./pulumi-cli";

/** The stack's public contract: what its users and these commands reach the services by. */
export interface StackOutputs {
  jdbcUrl: string;
  trinoUrl: string;
  airflowUrl: string;
  sparkMasterUrl: string;
  objectStoreUrl: string;
  catalogUrl: string;
  trinoUser: string;
  airflowUser: string;
  objectStoreUser: string;
  trinoPassword: string;
  airflowPassword: string;
  objectStorePassword: string;
  /** By which the catalog knows programs from outside, such as PyIceberg. */
  catalogToken: string;
  /** PEM of the authority that signed Trino's certificate. */
  caCertificate: string;
}

const names: Record<keyof StackOutputs, true> = {
  jdbcUrl: true,
  trinoUrl: true,
  airflowUrl: true,
  sparkMasterUrl: true,
  objectStoreUrl: true,
  catalogUrl: true,
  trinoUser: true,
  airflowUser: true,
  objectStoreUser: true,
  trinoPassword: true,
  airflowPassword: true,
  objectStorePassword: true,
  catalogToken: true,
  caCertificate: true,
};

/** Checks that the program kept its contract. */
export function stackOutputs(outputs: Outputs): StackOutputs {
  const missing = Object.keys(names).filter((name) => typeof outputs[name] !== "string");
  if (missing.length > 0) throw new Error(`The stack has no output ${missing.join(", ")}`);
  return outputs as unknown as StackOutputs;
}

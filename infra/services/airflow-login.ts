import type { IdentityProvider } from "../identity-provider";
import type { RenderedFile } from "../workload";
import { home, secretsFolder } from "./airflow-settings";

const providerFile = `${secretsFolder}/identity-provider.json`;
const authoritiesFile = "/etc/lakestack/issuer-ca.pem";

/** Makes Airflow's page send people to the issuer: scheduler/config/lakestack_login.py. */
export const loginEnvironment = {
  AIRFLOW__FAB__CONFIG_FILE: `${home}/config/lakestack_login.py`,
  LAKESTACK_IDENTITY_PROVIDER: providerFile,
  // The issuer sends people back to where they came from: with TLS, where a gateway ends it before this process. Of
  // what gateways say nothing else is believed, least of all whose address it is that tries passwords.
  AIRFLOW__FAB__ENABLE_PROXY_FIX: "true",
  AIRFLOW__FAB__PROXY_FIX_X_PROTO: "1",
  AIRFLOW__FAB__PROXY_FIX_X_FOR: "0",
  AIRFLOW__FAB__PROXY_FIX_X_HOST: "0",
  AIRFLOW__FAB__PROXY_FIX_X_PORT: "0",
  AIRFLOW__FAB__PROXY_FIX_X_PREFIX: "0",
};

/** What the page's process has to know of the issuer. */
export function loginFiles(provider: IdentityProvider): RenderedFile[] {
  const { authorities } = provider;
  return [
    {
      path: providerFile,
      content: provider.clientSecret.apply((secret) => renderProvider(provider, secret)),
    },
    ...(authorities === undefined ? [] : [{ path: authoritiesFile, content: authorities }]),
  ];
}

export function renderProvider(
  { authorities, ...provider }: Omit<IdentityProvider, "clientSecret">,
  clientSecret: string,
): string {
  return JSON.stringify({
    ...provider,
    clientSecret,
    ...(authorities === undefined ? {} : { authorities: authoritiesFile }),
  });
}

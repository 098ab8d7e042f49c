import type { Diff, Fault, Values } from "../plugin-protocol/provider";
import { UNKNOWN } from "../plugin-protocol/provider";
import { changes } from "./comparison";
import { type Access, accessOf, readKubeConfig } from "./kubeconfig";
import type { Mutability } from "./replacement";

/** The provider's settings, read and complete. */
export interface Configuration {
  access: Access;
  /** Where objects go that name no namespace. */
  namespace: string;
  mutability: Mutability;
  /** Take over fields that another manager owns. */
  force: boolean;
  /** Adopt what is there already instead of refusing to create it. */
  upsert: boolean;
  /** Resources of a cluster that is gone leave the state without it. */
  deleteUnreachable: boolean;
  suppressDeprecationWarnings: boolean;
}

const TEXTS = ["kubeconfig", "context", "cluster", "namespace", "clusterIdentifier"];

/** Switches that this provider has, and the environment's names for them. */
const SWITCHES = {
  enableConfigMapMutable: "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
  enableSecretMutable: "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
  enablePatchForce: "PULUMI_K8S_ENABLE_PATCH_FORCE",
  upsertExistingObjects: "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
  deleteUnreachable: "PULUMI_K8S_DELETE_UNREACHABLE",
  suppressDeprecationWarnings: "PULUMI_K8S_SUPPRESS_DEPRECATION_WARNINGS",
} as const;

/** What concerns only what the stand-in refuses anyway, or how fast the official plugin asks. */
const WITHOUT_EFFECT = [
  "kubeClientSettings",
  "suppressHelmHookWarnings",
  "version",
  "pluginDownloadURL",
  "helmReleaseSettings",
];

/** Says what is wrong with the provider's configuration. */
export function configurationFaults(config: Values): Fault[] {
  const faults = Object.entries(config).flatMap(([name, value]): Fault[] => {
    if (name.startsWith("__") || value === null || value === undefined || value === UNKNOWN) return [];
    if (WITHOUT_EFFECT.includes(name)) return [];
    if (TEXTS.includes(name))
      return typeof value === "string" ? [] : [{ path: name, reason: "expected a string" }];
    if (name in SWITCHES)
      return flag(value) === undefined ? [{ path: name, reason: "expected true or false" }] : [];
    if (name === "enableServerSideApply")
      return flag(value) === false
        ? [{ path: name, reason: "the stand-in has server-side apply only: leave it out" }]
        : [];
    // Off is what they are anyway.
    if (flag(value) === false || value === "") return [];
    const supported = [...TEXTS, ...Object.keys(SWITCHES), "enableServerSideApply"].sort().join(", ");
    return [{ path: name, reason: `not supported by the stand-in; supported: ${supported}` }];
  });
  if (faults.length > 0 || Object.values(config).includes(UNKNOWN)) return faults;
  try {
    readAccess(config);
    return [];
  } catch (error) {
    return [{ path: "kubeconfig", reason: error instanceof Error ? error.message : String(error) }];
  }
}

export function readConfiguration(config: Values): Configuration {
  const access = readAccess(config);
  const isOn = (name: keyof typeof SWITCHES) => flag(config[name] ?? process.env[SWITCHES[name]]) ?? false;
  return {
    access,
    namespace: text(config, "namespace") ?? access.namespace ?? "default",
    mutability: { configMaps: isOn("enableConfigMapMutable"), secrets: isOn("enableSecretMutable") },
    force: isOn("enablePatchForce"),
    upsert: isOn("upsertExistingObjects"),
    deleteUnreachable: isOn("deleteUnreachable"),
    suppressDeprecationWarnings: isOn("suppressDeprecationWarnings"),
  };
}

/**
 * Another cluster means another provider, and so other resources. Whether it is another one is told by `clusterIdentifier`
 * where it is given, else by the server's address and authority.
 */
export function configurationDiff(olds: Values, news: Values): Diff {
  const ignored = [...WITHOUT_EFFECT, ...Object.keys(SWITCHES)];
  const found = changes(olds, news).filter(({ path: [name] }) => !ignored.includes(String(name)));
  const isOther = isOtherCluster(olds, news);
  return {
    differences: found.map(({ path: steps, kind }) => ({
      property: String(steps[0]),
      kind,
      change: isOther ? "replace" : "update",
      amongInputs: true,
    })),
    replace: isOther && found.length > 0,
    deleteBeforeReplace: false,
  };
}

function isOtherCluster(olds: Values, news: Values): boolean {
  const [before, after] = [olds["clusterIdentifier"], news["clusterIdentifier"]];
  if (before !== undefined && after !== undefined) return before !== after && after !== UNKNOWN;
  if (after !== undefined || Object.values(news).includes(UNKNOWN)) return false;
  try {
    return identity(olds) !== identity(news);
  } catch {
    // What the old one led to cannot be told any more, for example because its file is gone.
    return false;
  }
}

function identity(config: Values): string {
  const { cluster } = readAccess(config);
  return JSON.stringify([
    cluster.server,
    cluster["certificate-authority-data"] ?? cluster["certificate-authority"],
  ]);
}

function readAccess(config: Values): Access {
  const kubeConfig = readKubeConfig(text(config, "kubeconfig"));
  return accessOf(kubeConfig, { context: text(config, "context"), cluster: text(config, "cluster") });
}

function text(config: Values, name: string): string | undefined {
  const value = config[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The SDK hands on switches as JSON. */
function flag(value: unknown): boolean | undefined {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  return undefined;
}

import type { Kind, KubeObject } from "./kube-object";
import { kindOf } from "./kube-object";
import type { PropertyPath } from "./property-path";
import { isWithin, parsePath } from "./property-path";

/** What the provider's configuration says of changes of data. */
export interface Mutability {
  configMaps: boolean;
  secrets: boolean;
}

/** Fields that cannot be changed once the object is there, by group and kind: the official plugin's, and more that the API server refuses. */
const IMMUTABLE: Record<string, string[]> = {
  "/PersistentVolumeClaim": [
    "spec.accessModes",
    "spec.dataSource",
    "spec.dataSourceRef",
    "spec.selector",
    "spec.storageClassName",
    "spec.volumeMode",
    "spec.volumeName",
  ],
  "/ResourceQuota": ["spec.scopes"],
  "/Secret": ["type"],
  "/Service": ["spec.clusterIP"],
  "apps/DaemonSet": ["spec.selector"],
  "apps/Deployment": ["spec.selector"],
  "apps/ReplicaSet": ["spec.selector"],
  "apps/StatefulSet": [
    "spec.podManagementPolicy",
    "spec.selector",
    "spec.serviceName",
    "spec.volumeClaimTemplates",
  ],
  "batch/Job": [
    "spec.backoffLimitPerIndex",
    "spec.completionMode",
    "spec.completions",
    "spec.podFailurePolicy",
    "spec.selector",
    "spec.successPolicy",
    "spec.template",
  ],
  "rbac.authorization.k8s.io/ClusterRoleBinding": ["roleRef"],
  "rbac.authorization.k8s.io/RoleBinding": ["roleRef"],
  "scheduling.k8s.io/PriorityClass": ["value", "preemptionPolicy"],
  "storage.k8s.io/StorageClass": ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"],
  "storage.k8s.io/CSIDriver": ["spec.attachRequired"],
  "apiextensions.k8s.io/CustomResourceDefinition": ["spec.group", "spec.scope", "spec.names.kind"],
};

/** All of a pod's specification is immutable but these. */
const MUTABLE_OF_POD = [
  "spec.activeDeadlineSeconds",
  "spec.containers[*].image",
  "spec.initContainers[*].image",
  "spec.tolerations",
  "spec.schedulingGates",
];

/** All of a volume's specification that says where it is. */
const MUTABLE_OF_VOLUME = [
  "spec.accessModes",
  "spec.capacity",
  "spec.claimRef",
  "spec.mountOptions",
  "spec.persistentVolumeReclaimPolicy",
  "spec.storageClassName",
];

/** Does a change at the path mean another object? */
export function needsReplacement(
  path: PropertyPath,
  { before, after }: { before: KubeObject; after: KubeObject },
  mutability: Mutability,
): boolean {
  const isAt = (fields: string[]) => fields.some((field) => isWithin(path, parsePath(field)));
  if (isAt(["metadata.name", "metadata.namespace", "kind"])) return true;
  const [old, wanted] = [kindOf(before), kindOf(after)];
  // Another version of the same group is another view of the same object.
  if (isAt(["apiVersion"])) return old.group !== wanted.group;
  const key = keyOf(wanted);
  if (key === "/Pod") return isAt(["spec"]) && !isAt(MUTABLE_OF_POD);
  if (key === "/PersistentVolume") return isAt(["spec"]) && !isAt(MUTABLE_OF_VOLUME);
  const isFixed = before["immutable"] === true;
  if (key === "/ConfigMap" && (isFixed || !mutability.configMaps) && isAt(["data", "binaryData"]))
    return true;
  if (key === "/Secret" && (isFixed || !mutability.secrets) && isAt(["data", "stringData"])) return true;
  if (isFixed && isAt(["immutable"])) return true;
  return isAt(IMMUTABLE[key] ?? []);
}

function keyOf({ group, kind }: Kind): string {
  return `${group}/${kind}`;
}

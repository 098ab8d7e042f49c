import { ifFound } from "./api-error";
import type { Cluster } from "./cluster";
import { apiVersionOf, type Kind } from "./kube-object";

/** Where the objects of a kind are. */
export interface ApiResource {
  kind: string;
  namespaced: boolean;
  /** Of the collection, for example `/apis/apps/v1`. */
  root: string;
  /** The last part of the collection's path, for example `deployments`. */
  plural: string;
}

interface ApiResourceList {
  resources?: { name: string; kind: string; namespaced: boolean }[];
}

/** The kinds that the API server knows. */
export class Discovery {
  private readonly lists = new Map<string, Promise<ApiResource[]>>();

  constructor(private readonly cluster: Cluster) {}

  /** Undefined if the API server does not know the kind: perhaps its definition is yet to be made. */
  async find(kind: Kind, signal: AbortSignal): Promise<ApiResource | undefined> {
    const known = this.lists.get(apiVersionOf(kind));
    const find = (resources: ApiResource[]) => resources.find((one) => one.kind === kind.kind);
    const found = known && find(await known);
    return found ?? find(await this.ask(kind, signal));
  }

  private ask(kind: Kind, signal: AbortSignal): Promise<ApiResource[]> {
    const key = apiVersionOf(kind);
    const asked = this.list(kind, signal);
    this.lists.set(key, asked);
    asked.catch(() => this.lists.delete(key));
    return asked;
  }

  private async list({ group, version }: Kind, signal: AbortSignal): Promise<ApiResource[]> {
    const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const found = await ifFound(this.cluster.json<ApiResourceList>(root, { signal }));
    return (found?.resources ?? [])
      .filter(({ name }) => !name.includes("/"))
      .map(({ name, kind, namespaced }) => ({ kind, namespaced, root, plural: name }));
  }
}

export function collectionPath({ root, plural, namespaced }: ApiResource, namespace?: string): string {
  const inside = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${inside}/${plural}`;
}

export function objectPath(resource: ApiResource, name: string, namespace?: string): string {
  return `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`;
}

/** A table as a writer knows it: what its next commit is made from. */
export interface KnownTable {
  name: string;
  uuid: string;
  location: string;
  sequence: number;
  snapshot: number | undefined;
}

export type Answer = "committed" | "conflict";

/** The catalog answered neither with success nor with a conflict. */
export class CatalogError extends Error {
  override readonly name = "CatalogError";
}

interface LoadedTable {
  metadata: {
    "table-uuid": string;
    location: string;
    "last-sequence-number"?: number;
    "current-snapshot-id"?: number | null;
  };
}

const conflict = 409;

/** As much of the Iceberg REST protocol as a writer needs to commit. */
export class CatalogClient {
  private constructor(
    private readonly prefix: string,
    private readonly namespace: string,
    private readonly token: string,
  ) {}

  /**
   * Asks for the warehouse's prefix, as every Iceberg client does first, and makes a namespace.
   *
   * @param token of a caller that may write.
   */
  static async connect(
    url: string,
    token: string,
    warehouse: string,
    namespace: string,
  ): Promise<CatalogClient> {
    const base = url.replace(/\/$/, "");
    const answer = await fetch(`${base}/v1/config?warehouse=${warehouse}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (!answer.ok) throw new CatalogError(`GET config: HTTP ${answer.status} ${await answer.text()}`);
    const { overrides = {}, defaults = {} } = (await answer.json()) as Record<string, Record<string, string>>;
    // As it is: the server has encoded it for paths.
    const prefix = overrides["prefix"] ?? defaults["prefix"] ?? "";
    const client = new CatalogClient(`${base}/v1/${prefix}`, namespace, token);
    await client.ask("POST", "/namespaces", { namespace: [namespace], properties: {} }, [conflict]);
    return client;
  }

  /** The same namespace, by another instance of the catalog. */
  at(url: string): CatalogClient {
    const prefix = this.prefix.slice(this.prefix.lastIndexOf("/v1/"));
    return new CatalogClient(`${url.replace(/\/$/, "")}${prefix}`, this.namespace, this.token);
  }

  async create(name: string): Promise<KnownTable> {
    const field = (id: number, column: string, type: string) => ({ id, name: column, required: false, type });
    const fields = [field(1, "id", "string"), field(2, "text", "string"), field(3, "at", "timestamptz")];
    const schema = { type: "struct", "schema-id": 0, fields };
    const body = { name, schema, "stage-create": false, properties: { "format-version": "2" } };
    return known(name, await this.ask("POST", `/namespaces/${this.namespace}/tables`, body));
  }

  async load(name: string): Promise<KnownTable> {
    return known(name, await this.ask("GET", this.path(name)));
  }

  /**
   * Commits as Iceberg's clients commit an append: one snapshot more on `main`, on condition that the table and its
   * newest snapshot are the known ones. What the snapshot names, a list of manifests, is not there: nobody reads it here.
   *
   * @returns what became of it; `table` is brought up to date with what was committed.
   */
  async append(table: KnownTable): Promise<Answer> {
    const snapshot = Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
    const response = await fetch(`${this.prefix}${this.path(table.name)}`, {
      method: "POST",
      headers: this.headers,
      body: JSON.stringify({
        requirements: [
          { type: "assert-table-uuid", uuid: table.uuid },
          { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": table.snapshot ?? null },
        ],
        updates: [
          {
            action: "add-snapshot",
            snapshot: {
              "snapshot-id": snapshot,
              "parent-snapshot-id": table.snapshot,
              "sequence-number": table.sequence + 1,
              "timestamp-ms": Date.now(),
              "manifest-list": `${table.location}/metadata/snap-${snapshot}-1-${crypto.randomUUID()}.avro`,
              "schema-id": 0,
              summary,
            },
          },
          { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": snapshot },
        ],
      }),
    });
    const text = await response.text();
    if (response.status === conflict) return "conflict";
    if (!response.ok) throw new CatalogError(`HTTP ${response.status} ${text.slice(0, 300)}`);
    table.snapshot = snapshot;
    table.sequence += 1;
    return "committed";
  }

  private get headers(): Record<string, string> {
    return { "content-type": "application/json", authorization: `Bearer ${this.token}` };
  }

  private path(name: string): string {
    return `/namespaces/${this.namespace}/tables/${name}`;
  }

  private async ask(method: string, path: string, body?: unknown, accepted: number[] = []): Promise<unknown> {
    const response = await fetch(`${this.prefix}${path}`, {
      method,
      headers: this.headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok && !accepted.includes(response.status)) {
      throw new CatalogError(`${method} ${path}: HTTP ${response.status} ${text.slice(0, 300)}`);
    }
    return JSON.parse(text);
  }
}

/** What Spark writes of an append, as far as it is always the same. */
const summary = {
  operation: "append",
  "added-data-files": "1",
  "added-records": "5000",
  "added-files-size": "600000",
  "total-records": "5000000",
  "total-data-files": "1000",
};

function known(name: string, loaded: unknown): KnownTable {
  const { metadata } = loaded as LoadedTable;
  const snapshot = metadata["current-snapshot-id"];
  return {
    name,
    uuid: metadata["table-uuid"],
    location: metadata.location,
    sequence: metadata["last-sequence-number"] ?? 0,
    // Some say -1 where there is none.
    snapshot: snapshot === undefined || snapshot === null || snapshot < 0 ? undefined : snapshot,
  };
}

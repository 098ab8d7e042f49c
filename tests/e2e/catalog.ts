import { clientFile, runClient } from "./client-container";

/** A request to the catalog. Paths of Iceberg's interface begin with /iceberg/v1/, those of Nessie's own with /api/v2/. */
export interface CatalogRequest {
  method: string;
  path: string;
  /** By which the catalog knows who asks; nobody if absent. */
  token?: string;
  body?: unknown;
}

export interface CatalogAnswer {
  status: number;
  text: string;
}

/** Asks the catalog from within the stack's network, one request after the other. */
export async function askCatalog(...requests: CatalogRequest[]): Promise<CatalogAnswer[]> {
  const { code, output } = await runClient(
    ["python", clientFile("ask_catalog.py"), clientFile("requests.json")],
    {},
    {
      "requests.json": JSON.stringify(
        requests.map(({ method, path, token = null, body = null }) => ({ method, path, token, body })),
      ),
    },
  );
  if (code !== 0) throw new Error(`The catalog could not be asked:\n${output}`);
  const answers = output
    .trim()
    .split("\n")
    .map((line) => {
      const [status, text] = JSON.parse(line) as [number, string];
      return { status, text };
    });
  if (answers.length !== requests.length) throw new Error(`Not every request was answered:\n${output}`);
  return answers;
}

/** The only answer, where one was asked for. */
export async function askOnce(request: CatalogRequest): Promise<CatalogAnswer> {
  const [answer] = await askCatalog(request);
  if (answer === undefined) throw new Error("The catalog did not answer");
  return answer;
}

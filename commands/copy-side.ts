import { UserError } from "../toolchain/index";
import { messageOf, unlessAborted } from "./command";
import { FileStore, type StoreAccess } from "./copied-files";
import {
  columnsOf,
  type Content,
  type CopyStatements,
  isSame,
  metadataOf,
  stagingSchema,
  type TableColumn,
} from "./copy-plan";
import { PulumiCli, type State } from "./pulumi-cli";
import { Settings } from "./settings";
import { type StackOutputs, stackOutputs } from "./stack-outputs";
import { query, type TrinoAccess } from "./trino-query";
import { UserStore } from "./user-store";

/** Addresses given by hand, where those of the stack's outputs are not reached from here. */
export interface OtherAddresses {
  trino?: string | undefined;
  objectStore?: string | undefined;
}

/** One of the two stacks of a copy. */
export class CopySide {
  private constructor(
    readonly stack: string,
    readonly cli: PulumiCli,
    readonly state: State,
    readonly settings: Settings,
    readonly files: FileStore,
    private readonly trino: TrinoAccess,
    private readonly side: "from" | "to",
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Opens a stack and looks whether its Trino answers.
   *
   * @throws UserError if there is no such stack, if it is not up, or if it is not reached from here.
   */
  static async open(
    stack: string,
    side: "from" | "to",
    { trino, objectStore }: OtherAddresses,
    env: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<CopySide> {
    const cli = new PulumiCli(stack, env, signal);
    const state = await cli.state();
    if (state === undefined)
      throw new UserError(
        `There is no stack ${stack}.`,
        "pulumi stack ls shows which there are; --from and --to name two of them.",
      );
    const values = await cli.outputs();
    if (typeof values["trinoUrl"] !== "string")
      throw new UserError(`Stack ${stack} is not up.`, `Bring it up: ${upOf(stack)}`);
    const outputs = stackOutputs(values);
    const settings = await Settings.read(stack);
    const access = {
      url: trino ?? outputs.trinoUrl,
      user: outputs.trinoUser,
      password: outputs.trinoPassword,
      ca: outputs.caCertificate,
    };
    const store = storeOf(settings, outputs, objectStore);
    const files = new FileStore(store, stack, `--${side}-object-store`, signal);
    const opened = new CopySide(stack, cli, state, settings, files, access, side, signal);
    await opened.ask("SELECT 1");
    return opened;
  }

  /** @returns the rows of a statement; fails with what Trino said, and to whom. */
  async ask(statement: string): Promise<unknown[][]> {
    try {
      return await unlessAborted(this.signal, query(this.trino, statement));
    } catch (error) {
      this.signal.throwIfAborted();
      const said = messageOf(error);
      // What the server says ends with the name of the error; all else has not come to it.
      if (/\([A-Z_0-9]+\)$/.test(said)) throw new StatementFailed(this.stack, said);
      throw new UserError(
        `Trino of stack ${this.stack} does not answer at ${this.trino.url}: ${said}`,
        `Is it up? LAKESTACK_STACK=${this.stack} npm run status. Where it is reached at another address, such as the end ` +
          `of a port-forward: --${this.side}-trino https://localhost:8443`,
      );
    }
  }

  async columns(table: string): Promise<TableColumn[]> {
    const rows = await this.ask(columnsOf(table));
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }));
  }

  async content(statement: string): Promise<Content> {
    const [[rows, checksum] = []] = await this.ask(statement);
    return { rows: Number(rows), checksum: typeof checksum === "string" ? checksum : "" };
  }

  /** Whether a table that a copy needs on its way is here and has just this content. @param name as statements call it. */
  async holds(name: string, statements: CopyStatements, content: Content): Promise<boolean> {
    if (!(await this.hasStaging(name))) return false;
    return isSame(content, await this.content(statements.contentOf(name)));
  }

  /** Size by URL of each file that a table is made of now; bytes. */
  async filesOf(name: string): Promise<Map<string, number>> {
    const rows = await this.ask(`SELECT file_path, file_size_in_bytes FROM ${metadataOf(name, "files")}`);
    return new Map(rows.map(([path, size]) => [String(path), Number(size)]));
  }

  /** Where a table's files are, without a slash at the end. */
  async locationOf(name: string): Promise<string> {
    const log = metadataOf(name, "metadata_log_entries");
    const [[file] = []] = await this.ask(`SELECT file FROM ${log} ORDER BY timestamp DESC LIMIT 1`);
    return String(file).replace(/\/metadata\/[^/]+$/, "");
  }

  /**
   * Takes away a table that a copy needed on its way, with its files, which the catalog would leave; also files of one that is
   * gone.
   *
   * @param beside a table of the stack, which tells where the warehouse is.
   */
  async discard(name: string, beside: string): Promise<void> {
    if (await this.hasStaging(name)) await this.ask(`DROP TABLE ${name}`);
    const warehouse = (await this.locationOf(beside)).split("/").slice(0, -2).join("/");
    const files = await this.files.list(`${warehouse}/${stagingSchema}`);
    const folder = `/${stagingSchema}/${bareName(name)}_`;
    await this.files.remove([...files.keys()].filter((url) => url.includes(folder)));
  }

  /** Takes away the schema of such tables, unless another copy has some there. */
  async dropStagingSchema(): Promise<void> {
    const names = await this.ask(
      `SELECT table_name FROM iceberg.information_schema.tables WHERE table_schema = '${stagingSchema}'`,
    );
    if (names.length === 0) await this.ask(`DROP SCHEMA IF EXISTS iceberg.${stagingSchema}`);
  }

  private async hasStaging(name: string): Promise<boolean> {
    return (await this.columns(`${stagingSchema}.${bareName(name)}`)).length > 0;
  }

  users(): Promise<UserStore> {
    return UserStore.open(this.cli, this.settings);
  }
}

/** A statement that Trino has refused, or that has failed there. */
export class StatementFailed extends UserError {
  constructor(
    stack: string,
    readonly said: string,
  ) {
    super(
      `Trino of stack ${stack} answered: ${said}`,
      "When the cause is mended, run the same command again: it goes on where it stopped, and brings no row twice.",
    );
  }
}

const bareName = (name: string) => name.split(".").at(-1)?.replaceAll('"', "") ?? "";

/** How a stack comes up, said to a person. */
export const upOf = (stack: string) =>
  stack === "dev" ? "npm run up" : `LAKESTACK_STACK=${stack} npm run up (or pulumi up --stack ${stack})`;

/** The store that has the stack's warehouse: its own with its administrator's keys, or one that it was given. */
function storeOf(settings: Settings, outputs: StackOutputs, other: string | undefined): StoreAccess {
  if (settings.get("platform") === "aws")
    return { endpoint: other, region: String(settings.get("awsRegion")), pathStyle: false };
  const setting = (key: string) => String(settings.get(key));
  // MinIO takes any region; the client insists on one.
  const isOutside = settings.get("platform") === "kubernetes" && setting("objectStoreEndpoint") !== "";
  return {
    endpoint: other ?? outputs.objectStoreUrl,
    region: setting("objectStoreRegion"),
    ...(isOutside
      ? { pathStyle: settings.isOn("objectStorePathStyle") }
      : { pathStyle: true, keys: { id: outputs.objectStoreUser, secret: outputs.objectStorePassword } }),
  };
}

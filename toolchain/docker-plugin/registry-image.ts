import type { RegistryImageArgs } from "@pulumi/docker";
import type Docker from "dockerode";
import { reason } from "./engine-messages";
import type { InputsOf, PropertyTable } from "./property-table";
import type { ResourceType, Work } from "./resource-type";
import { flag, object, record, text, UNSUPPORTED } from "./shape";

type Inputs = InputsOf<RegistryImageArgs>;
type AuthConfig = NonNullable<Inputs["authConfig"]>;

const table: PropertyTable<RegistryImageArgs, never, never> = {
  name: { shape: text(), change: "replace" },
  authConfig: {
    shape: object<AuthConfig>({
      address: { shape: text(), required: true },
      username: { shape: text() },
      password: { shape: text() },
    }),
    change: "note",
  },
  triggers: { shape: record(), change: "replace" },
  keepRemotely: { shape: flag(), change: "note" },
  insecureSkipVerify: { shape: flag(), change: "note" },
  build: UNSUPPORTED,
};

/** One line of what the engine tells while it pushes. */
interface PushLine {
  status?: string;
  error?: string;
  aux?: { Digest?: string };
}

/** An image of the engine, pushed to the registry that its name begins with. */
export const registryImage: ResourceType = {
  table,
  autoName: false,
  deleteBeforeReplace: false,

  async create(values, work) {
    const inputs = values as unknown as Inputs;
    const digest = await push(inputs, work);
    return { id: digest, outputs: { ...values, sha256Digest: digest } };
  },

  /** What is in the registry under a name that nobody can move is what was put there. */
  read: (id, recorded) => Promise.resolve({ id, outputs: recorded }),

  update: (_id, recorded, inputs) => Promise.resolve({ ...inputs, sha256Digest: recorded["sha256Digest"] }),

  delete(_id, recorded, { info }) {
    if (recorded["keepRemotely"] !== true) {
      info(`${String(recorded["name"])} stays in the registry: the stand-in removes nothing there`);
    }
    return Promise.resolve();
  },
};

async function push({ name = "", authConfig }: Inputs, work: Work): Promise<string> {
  const address = name.split("/")[0] ?? "";
  const login = authConfig ?? work.logins.find((each) => each.address === address);
  const auth: Docker.AuthConfig | undefined = login && {
    serveraddress: login.address,
    username: login.username ?? "",
    password: login.password ?? "",
  };
  try {
    const stream = await work.docker.getImage(name).push({ authconfig: auth, abortSignal: work.signal });
    return await new Promise<string>((resolve, reject) => {
      let digest: string | undefined;
      work.docker.modem.followProgress(
        stream,
        (error) => {
          if (error) reject(error);
          else if (digest === undefined) reject(new Error("the registry told no digest"));
          else resolve(digest);
        },
        (line: PushLine) => {
          digest = line.aux?.Digest ?? digest;
          if (line.error !== undefined) reject(new Error(line.error));
          else if (line.status !== undefined) work.status(`${name}: ${line.status}`);
        },
      );
    });
  } catch (error) {
    throw new Error(`Image ${name} can't be pushed: ${reason(error)}`, { cause: error });
  }
}

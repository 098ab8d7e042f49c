import {
  isOwnUser,
  isUserName,
  nameExpectation,
  passwordsKey,
  readUsers,
  type Role,
  roles,
} from "../infra/users";
import { generatePassword, generateSalt, hashPassword, leastPasswordLength } from "../infra/password";
import { UserError } from "../toolchain/index";
import type { PulumiCli } from "./pulumi-cli";
import type { Settings } from "./settings";

/** What the store needs of the stack's configuration. */
export type Configuration = Pick<PulumiCli, "stack" | "config" | "setSecret" | "setConfig" | "removeConfig">;

/** A declared user. */
export interface DeclaredUser {
  name: string;
  role: Role;
  hasPassword: boolean;
}

/** What became of another stack's user. */
export interface AdoptedUser extends DeclaredUser {
  /** `present`: declared here already; `own`: the name is one of this stack's own users. */
  outcome: "copied" | "present" | "own";
  /** The role that the user has in this stack now. */
  roleHere: Role | undefined;
}

/** The users that the stack's configuration declares: roles in the clear, hashes of passwords encrypted. */
export class UserStore {
  private constructor(
    private readonly configuration: Configuration,
    /** Name of Trino's administrator. */
    readonly administrator: string,
    private readonly roles: Record<string, Role>,
    private readonly hashes: Record<string, string>,
  ) {}

  static async open(configuration: Configuration, settings: Settings): Promise<UserStore> {
    const declared = settings.get("users");
    const text = typeof declared === "object" ? JSON.stringify(declared) : (declared as string | undefined);
    const administrator = String(settings.get("trinoUser"));
    const { users, faults } = readUsers(text, administrator);
    if (faults.length > 0) {
      const said = faults.map(({ key, value, expected }) => `  ${key} is "${value}", expected ${expected}`);
      throw new UserError(
        `The users in Pulumi.${configuration.stack}.yaml cannot be used:\n${said.join("\n")}`,
        "Correct them there (lakestack:users) and run the command again.",
      );
    }
    const kept = await configuration.config(passwordsKey);
    const hashes = kept === undefined ? {} : (JSON.parse(kept) as Record<string, string>);
    return new UserStore(configuration, administrator, users, hashes);
  }

  list(): DeclaredUser[] {
    return Object.entries(this.roles)
      .map(([name, role]) => ({ name, role, hasPassword: this.hashes[name] !== undefined }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  /** @returns the password. */
  async add(name: string, role: string | undefined, given?: string): Promise<string> {
    if (!isUserName(name))
      throw new UserError(`"${name}" cannot be a user's name.`, `Expected ${nameExpectation}.`);
    this.refuseOwn(name, "is there already");
    const known = this.roles[name];
    if (known !== undefined)
      throw new UserError(
        `There is a user ${name} already, as ${known}.`,
        `Another password: npm run user -- passwd ${name}\n` +
          `Another role: npm run user -- remove ${name}, then add it again.`,
      );
    if (!isRole(role))
      throw new UserError(
        role === undefined ? `Which role is ${name} to have?` : `There is no role "${role}".`,
        `npm run user -- add ${name} --role analyst    (or ${roles.filter((each) => each !== "analyst").join(", ")})`,
      );
    const password = await this.keepPassword(name, given);
    await this.configuration.setConfig(pathOf(name), role);
    this.roles[name] = role;
    return password;
  }

  /** @returns the new password. */
  async changePassword(name: string, given?: string): Promise<string> {
    this.mustKnow(name);
    return this.keepPassword(name, given);
  }

  async remove(name: string): Promise<void> {
    this.mustKnow(name);
    await this.configuration.removeConfig(pathOf(name));
    const { [name]: gone, ...rest } = this.hashes;
    if (gone !== undefined) await this.configuration.setSecret(passwordsKey, JSON.stringify(rest));
  }

  /**
   * Lets in whom another stack lets in, with the same role and password: hashes are copied, no password is known here.
   * Who is declared here already stays as they are.
   *
   * @returns what became of each, in the order of their names.
   */
  async adopt(other: UserStore): Promise<AdoptedUser[]> {
    const users = other.list().map(({ name, role, hasPassword }) => ({
      ...{ name, role, hasPassword },
      outcome: isOwnUser(name, this.administrator)
        ? ("own" as const)
        : this.roles[name] === undefined
          ? ("copied" as const)
          : ("present" as const),
    }));
    const copied = users.filter(({ outcome }) => outcome === "copied");
    // First the hashes, as with a user who is added: interrupted in between, another run finds nobody declared yet.
    for (const { name } of copied) {
      const hash = other.hashes[name];
      if (hash !== undefined) this.hashes[name] = hash;
    }
    if (copied.some(({ hasPassword }) => hasPassword))
      await this.configuration.setSecret(passwordsKey, JSON.stringify(this.hashes));
    for (const { name, role } of copied) {
      await this.configuration.setConfig(pathOf(name), role);
      this.roles[name] = role;
    }
    return users.map((user) => ({ ...user, roleHere: this.roles[user.name] }));
  }

  private mustKnow(name: string): void {
    this.refuseOwn(name, "is the stack's own and stays");
    if (this.roles[name] !== undefined) return;
    const known = this.list().map((user) => user.name);
    throw new UserError(
      `There is no user ${name}.`,
      known.length === 0
        ? `None is declared yet: npm run user -- add ${name} --role analyst`
        : `These are declared: ${known.join(", ")}`,
    );
  }

  private refuseOwn(name: string, what: string): void {
    if (!isOwnUser(name, this.administrator)) return;
    throw new UserError(
      `The user ${name} ${what}.`,
      name === this.administrator
        ? "The administrator's name is the setting trinoUser, the password the secret trinoPassword: docs/access.md."
        : "It is by this name that the stack's own services work in Trino.",
    );
  }

  private async keepPassword(name: string, given: string | undefined): Promise<string> {
    const password = given ?? generatePassword();
    if (password.length < leastPasswordLength)
      throw new UserError(
        `The password has ${password.length} characters, expected at least ${leastPasswordLength}.`,
        "Give a longer one, or none: then one is generated.",
      );
    this.hashes[name] = hashPassword(password, generateSalt());
    await this.configuration.setSecret(passwordsKey, JSON.stringify(this.hashes));
    return password;
  }
}

const isRole = (text: string | undefined): text is Role => (roles as readonly unknown[]).includes(text);

/** Names may have dots, which would be steps of the path. */
const pathOf = (name: string) => `users["${name}"]`;

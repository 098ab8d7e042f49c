/**
 * A fault the user can mend: no Docker, a lost passphrase, a port in use. Printed without a stack trace, as
 * what happened followed by what to do about it.
 */
export class UserError extends Error {
  constructor(
    /** What is wrong: the thing's name, what was found, what was expected. */
    message: string,
    /** The next step, as an instruction. May have several lines. */
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "UserError";
  }
}

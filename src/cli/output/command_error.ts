/** Failures of commands that are the user's to act on. */

/** A failure that is told in one line and, where there is one, with the next step. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: number;

  /** @param exitCode 1 = it did not work, 2 = it was asked in the wrong way. */
  constructor(message: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
  }
}

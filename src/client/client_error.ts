/** What goes wrong between a client and a cluster. */

/** A problem document (RFC 9457) as nodes send it; `quorum_unreachable` and others add members. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  [member: string]: unknown;
}

/** A request that was not answered as hoped. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  /** HTTP status of the answer; undefined when there was none (or it could not be understood). */
  readonly status: number | undefined;
  /** What the node said about it, where it did. */
  readonly problem: Problem | undefined;
  /** Whether the same request may well work later: no answer, overload, too few owners. */
  readonly passing: boolean;

  constructor(
    message: string,
    options: {
      status?: number;
      problem?: Problem | undefined;
      passing?: boolean;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = options.status;
    this.problem = options.problem;
    this.passing = options.passing ?? (options.status === undefined || options.status === 503);
  }
}

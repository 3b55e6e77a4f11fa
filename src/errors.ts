/**
 * The closed set of errors that Converge raises on purpose.
 *
 * Every failure a caller can act on has a code here; the HTTP layer maps codes to statuses in one
 * place (`http/problem.ts`) and nowhere else. After leveldb's `status.h`: one code per cause.
 */

/** Every code that a {@linkcode ConvergeError} can carry. */
export type ErrorCode =
  | "bad_request" // malformed key, parameter or body: the caller must change the request
  | "corrupt_message" // an internal message failed its checksum or grammar; nothing was stored
  | "forged_message" // an internal message without the cluster's proof; nothing was done
  | "cross_origin" // a page of another site made a browser send it; nothing was done
  | "misdirected" // an internal message for another node, or for an earlier life of this one
  | "value_too_large" // value over `maxValueBytes`
  | "slow_body" // a request's body did not come in time; nothing was begun
  | "quorum_unreachable" // too few owners answered in time; details tell each owner's outcome
  | "overloaded" // a queue is at its bound; try again later
  | "not_ready" // the node does not yet know who owns what
  | "unreachable" // no connection to the peer; the request was certainly not carried out
  | "timeout" // the deadline passed; whether the request was carried out is unknown
  | "disk_full" // the disk has no space; reads go on
  | "disk_failed" // an fsync or write failed; the store accepts nothing more
  | "corrupt_file" // a checksum or invariant of a file does not hold
  | "data_locked" // another process has the data directory
  | "wrong_data" // the data directory belongs to another node or format
  | "old_copy" // the data directory is an old copy: others have heard of a later life of it
  | "removed" // this node was removed from its cluster
  | "not_removable" // a member cannot be removed now, or not so; nothing was begun
  | "name_taken" // another node runs under this one's name
  | "bad_config" // an option has an unusable value
  | "closed" // the part was closed
  | "invariant"; // a bug in Converge

/** An error with a {@linkcode ErrorCode}, so that callers never have to match message texts. */
export class ConvergeError extends Error {
  override readonly name = "ConvergeError";
  readonly code: ErrorCode;
  /** Structured facts for receipts and problem documents; plain JSON only. */
  readonly details: Readonly<Record<string, unknown>>;

  /**
   * @param code What kind of failure this is.
   * @param message "Cannot X: current value is Y".
   * @param options `cause` as in `Error`, `details` plain JSON facts.
   */
  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Whether `error` is a {@linkcode ConvergeError} with one of `codes` (any code when none given). */
export function isConvergeError(error: unknown, ...codes: ErrorCode[]): error is ConvergeError {
  return error instanceof ConvergeError && (codes.length === 0 || codes.includes(error.code));
}

/** Whether a peer was only away, late, busy or not ready yet: what failed is worth trying again. */
export function isTransient(error: unknown): boolean {
  return isConvergeError(error, "unreachable", "timeout", "not_ready", "overloaded");
}

/**
 * Stops with an `invariant` error when something that must hold does not.
 *
 * @throws {ConvergeError} `invariant` when `condition` is false.
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new ConvergeError("invariant", `Broken invariant: ${message}`);
}

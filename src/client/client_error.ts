/** What goes wrong between a client and a cluster. */

/** A problem document (RFC 9457) as nodes send it; `quorum_unreachable` and others add members. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  [member: string]: unknown;
}

const PASSING: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

/** A request that was not answered as hoped. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  /** HTTP status of the answer; undefined when there was none (or it could not be understood). */
  readonly status: number | undefined;
  /** What the node said about it, where it did. */
  readonly problem: Problem | undefined;
  /**
   * Whether the same request may well work later: no answer, overload, too few owners, a body that came
   * too slowly; or a proxy that has had enough, or found no node behind it.
   */
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
    this.passing = options.passing ?? (options.status === undefined || PASSING.has(options.status));
  }
}

/** The `type` by which a node says that there is nothing; any server may answer 404. */
export const NOT_FOUND = "urn:converge:problem:not-found";

/** Text of a server as words on one line, which no terminal obeys. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu;
const WORDS_MAX = 1_000;

/** A problem that stands in an answer beside others. */
export function problemError(problem: Problem): ClientError {
  return new ClientError(wordsOf(problem), { status: problem.status, problem });
}

/** What a problem, or any text, says in words for a person. */
export function wordsOf(said: Problem | string): string {
  const text = typeof said === "string" ? said.slice(0, 200) : said.detail ?? said.title;
  return text.slice(0, WORDS_MAX).replaceAll(UNPRINTABLE, " ").trim();
}

/** The problem document that a text is; undefined where it is none. */
export function problemOf(text: string): Problem | undefined {
  try {
    const problem = JSON.parse(text);
    const isProblem = [problem.title, problem.detail ?? ""].every((part) =>
      typeof part === "string"
    );
    return isProblem ? problem : undefined;
  } catch {
    return undefined;
  }
}

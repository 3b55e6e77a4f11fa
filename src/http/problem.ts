/** Errors as `application/problem+json` (RFC 9457): the only place that maps codes to statuses. */
import { ConvergeError, type ErrorCode } from "../errors.ts";

const STATUS: Record<ErrorCode, number> = {
  bad_request: 400,
  corrupt_message: 400,
  forged_message: 401,
  cross_origin: 403,
  misdirected: 421,
  value_too_large: 413,
  slow_body: 408,
  quorum_unreachable: 503,
  overloaded: 503,
  not_ready: 503,
  unreachable: 502,
  timeout: 504,
  disk_full: 507,
  disk_failed: 500,
  corrupt_file: 500,
  data_locked: 500,
  wrong_data: 500,
  old_copy: 500,
  removed: 500,
  not_removable: 409,
  name_taken: 500,
  bad_config: 500,
  closed: 503,
  invariant: 500,
};

/** A problem document; further members are the error's details. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly [detail: string]: unknown;
}

/** Codes that are worth trying again soon. */
const RETRY_AFTER: ReadonlySet<ErrorCode> = new Set(["overloaded", "not_ready", "closed"]);

/** The problem document of an error. Never holds a stack trace. */
export function problemOf(error: unknown): Problem {
  if (!(error instanceof ConvergeError)) {
    return document(500, "internal", "Cannot answer: an unexpected error, see the node's log");
  }
  return document(STATUS[error.code], error.code, error.message, error.details);
}

/** The answer that tells of an error. */
export function problemResponse(error: unknown): Response {
  const retry = error instanceof ConvergeError && RETRY_AFTER.has(error.code);
  return respond(problemOf(error), retry ? { "retry-after": "1" } : {});
}

/** 404 for a key that has no value, or a path that does not exist. */
export function notFound(what: string): Response {
  return respond(document(404, "not_found", `Cannot find ${what}`));
}

/** 405 with `Allow`. */
export function methodNotAllowed(method: string, allow: string): Response {
  const detail = `Cannot ${method} here: allowed are ${allow}`;
  return respond(document(405, "method_not_allowed", detail), { allow });
}

function document(
  status: number,
  code: string,
  detail: string,
  details: Readonly<Record<string, unknown>> = {},
): Problem {
  const type = `urn:converge:problem:${code.replaceAll("_", "-")}`;
  return { type, title: code.replaceAll("_", " "), status, detail, ...details };
}

function respond(problem: Problem, headers: HeadersInit = {}): Response {
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

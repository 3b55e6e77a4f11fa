/** Errors as `application/problem+json` (RFC 9457): the only place that maps codes to statuses. */
import { ConvergeError, type ErrorCode } from "../errors.ts";

const STATUS: Record<ErrorCode, number> = {
  bad_request: 400,
  corrupt_message: 400,
  misdirected: 421,
  value_too_large: 413,
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
  bad_config: 500,
  closed: 503,
  invariant: 500,
};

/** Codes that are worth trying again soon. */
const RETRY_AFTER: ReadonlySet<ErrorCode> = new Set(["overloaded", "not_ready", "closed"]);

/** The answer that tells of an error. Never holds a stack trace. */
export function problemResponse(error: unknown): Response {
  if (!(error instanceof ConvergeError)) {
    return problem(500, "internal", "Cannot answer: an unexpected error, see the node's log", {});
  }
  const status = STATUS[error.code];
  const headers: HeadersInit = RETRY_AFTER.has(error.code) ? { "retry-after": "1" } : {};
  return problem(status, error.code, error.message, error.details, headers);
}

/** 404 for a key that has no value, or a path that does not exist. */
export function notFound(what: string): Response {
  return problem(404, "not_found", `Cannot find ${what}`, {});
}

/** 405 with `Allow`. */
export function methodNotAllowed(method: string, allow: string): Response {
  return problem(405, "method_not_allowed", `Cannot ${method} here: allowed are ${allow}`, {}, {
    allow,
  });
}

function problem(
  status: number,
  code: string,
  detail: string,
  details: Readonly<Record<string, unknown>>,
  headers: HeadersInit = {},
): Response {
  const type = `urn:converge:problem:${code.replaceAll("_", "-")}`;
  const body = { type, title: code.replaceAll("_", " "), status, detail, ...details };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

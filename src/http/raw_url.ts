/**
 * Paths and queries from the raw text of a request's URL. The URL parser folds `%2e%2e` and drops
 * what a key may well contain, so it is not asked.
 */
import { ConvergeError } from "../errors.ts";

/**
 * The raw path behind `prefix`, without the query, as it came over the wire.
 *
 * @throws {ConvergeError} `bad_request` when the path only begins with `prefix` once it is decoded:
 * cut off at the same length, it would name another key.
 */
export function rawPathAfter(url: string, prefix: string): string {
  const pathStart = url.indexOf("/", url.indexOf("://") + 3);
  const queryStart = url.indexOf("?", pathStart);
  const path = url.slice(pathStart, queryStart < 0 ? undefined : queryStart);
  if (path.startsWith(prefix)) return path.slice(prefix.length);
  if (`${path}/` === prefix) return "";
  throw new ConvergeError("bad_request", `Cannot use the path: ${prefix} must not be escaped`);
}

/**
 * The query of a URL, each name at most once and one of `known`.
 *
 * @throws {ConvergeError} `bad_request`.
 */
export function queryOf(url: string, known: readonly string[]): Map<string, string> {
  const start = url.indexOf("?");
  const query = new Map<string, string>();
  if (start < 0) return query;
  const text = url.slice(start + 1);
  for (let at = 0; at < text.length;) {
    let end = text.indexOf("&", at);
    if (end < 0) end = text.length;
    let equals = text.indexOf("=", at);
    if (equals < 0 || equals > end) equals = end;
    if (end > at) take(query, decoded(text, at, equals), decoded(text, equals + 1, end), known);
    at = end + 1;
  }
  return query;
}

/**
 * For what takes no parameters: one that is passed over would not do what its sender thinks.
 *
 * @throws {ConvergeError} `bad_request` when the URL has any.
 */
export function refuseParameters(url: string): void {
  queryOf(url, []);
}

/** Strictly: replaced by U+FFFD, what is not UTF-8 would be the prefix of other keys. */
function decoded(text: string, start: number, end: number): string {
  const part = text.slice(start, end);
  if (!part.includes("%") && !part.includes("+")) return part;
  try {
    return decodeURIComponent(part.replaceAll("+", " "));
  } catch (cause) {
    throw new ConvergeError(
      "bad_request",
      `Cannot decode the query: ${part} is not UTF-8 in percent escapes`,
      { cause },
    );
  }
}

function take(
  query: Map<string, string>,
  name: string,
  value: string,
  known: readonly string[],
): void {
  if (!known.includes(name) || query.has(name)) {
    throw new ConvergeError(
      "bad_request",
      `Cannot use parameter ${JSON.stringify(name)}: ` +
        (known.length === 0
          ? "there are none here"
          : `known here, once each, are ${known.join(", ")}`),
    );
  }
  query.set(name, value);
}

/** A parameter of decimal digits, undefined when absent. @throws {ConvergeError} `bad_request`. */
export function integerParameter(query: Map<string, string>, name: string): number | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new ConvergeError("bad_request", `Cannot use ${name}=${text}: it must be decimal digits`);
  }
  return Number(text);
}

/** A parameter that is `1` or absent. @throws {ConvergeError} `bad_request`. */
export function flagParameter(query: Map<string, string>, name: string): boolean {
  const text = query.get(name);
  if (text === undefined || text === "0") return false;
  if (text === "1") return true;
  throw new ConvergeError("bad_request", `Cannot use ${name}=${text}: it must be 0 or 1`);
}

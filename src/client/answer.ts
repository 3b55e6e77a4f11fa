/** What the answers of a node hold: whatever looks otherwise was said by somebody else. */
import { ClientError, NOT_FOUND, type Problem, problemOf, wordsOf } from "./client_error.ts";
import { type ClientValue, DEFAULT_TYPE, versionOfTag } from "./entry.ts";

/** What came back, and from whom. */
export interface Answer {
  url: string;
  response: Response;
}

/** The same answer, of a success. @throws {ClientError} For any other. */
export async function accepted(answer: Answer): Promise<Answer> {
  if (answer.response.ok) return answer;
  throw await refusal(answer);
}

/** What an answer that is no success tells of, in words for a person. */
export async function refusal(answer: Answer): Promise<ClientError> {
  const { url, response: { status } } = answer;
  const text = await answer.response.text();
  const problem = problemOf(text);
  if (status === 404 && problem?.type !== NOT_FOUND) {
    return noNode(answer, problem === undefined ? "it answers 404" : wordsOf(problem), { problem });
  }
  const said = wordsOf(problem ?? text);
  return new ClientError(said === "" ? `${url} answers ${status}` : said, { status, problem });
}

/** Somebody answers there, and not as a node does. @param why A clause that says how. */
export function noNode(
  { url, response: { status } }: Answer,
  why: string,
  more: { problem?: Problem | undefined; cause?: unknown } = {},
): ClientError {
  const message = `Cannot use ${url}: it is no node of Converge: ${why}`;
  return new ClientError(message, { status, ...more });
}

/**
 * The JSON of an answer, an object with these members where a node gives it.
 *
 * @throws {ClientError}
 */
export async function jsonOf<T>(answer: Answer, ...members: string[]): Promise<T> {
  await accepted(answer);
  let json: object;
  try {
    json = Object(await answer.response.json());
  } catch (cause) {
    throw noNode(answer, "its answer is no JSON", { cause });
  }
  const lacking = members.find((name) => !Object.hasOwn(json, name));
  if (lacking === undefined) return json as T;
  throw noNode(answer, `its answer has no ${lacking}`);
}

/**
 * What is stored, or deleted, has a version: without it nobody has said that it is.
 *
 * @throws {ClientError}
 */
export function versionOf(answer: Answer): string {
  const version = versionOfTag(answer.response.headers.get("etag"));
  if (version !== undefined) return version;
  throw noNode(answer, "its answer has no version");
}

/** The value that an answer carries. @throws {ClientError} */
export async function valueOf(answer: Answer): Promise<ClientValue> {
  const { headers } = answer.response;
  const expires = headers.get("converge-expires");
  return {
    bytes: new Uint8Array(await answer.response.arrayBuffer()),
    contentType: headers.get("content-type") ?? DEFAULT_TYPE,
    version: versionOf(answer),
    expiresAtMs: expires === null ? undefined : Number(expires),
  };
}

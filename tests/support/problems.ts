/** What every error answer must be. */
import { assert, assertEquals } from "@std/assert";

/** The document of an error answer, after checking its form. */
export async function problemOf(
  response: Response,
  status: number,
  type: string,
): Promise<Record<string, unknown>> {
  const text = await response.text();
  assertEquals(response.status, status, text);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  const problem = JSON.parse(text);
  assertEquals(problem.type, `urn:converge:problem:${type}`);
  assertEquals(problem.status, status);
  assertEquals([typeof problem.title, typeof problem.detail], ["string", "string"]);
  assert(!/\n\s+at |\.ts:\d/.test(text), `a stack trace: ${text}`);
  return problem;
}

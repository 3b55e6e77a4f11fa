/** Problem documents (RFC 9457) of what is answered without the app of a node: before it, or beside it. */

/** An answer with a problem document. */
export function plainProblem(
  status: number,
  type: string,
  detail: string,
  headers: Record<string, string> = {},
): Response {
  const title = type.replaceAll("-", " ");
  return Response.json({ type: `urn:converge:problem:${type}`, title, status, detail }, {
    status,
    headers: { ...headers, "content-type": "application/problem+json" },
  });
}

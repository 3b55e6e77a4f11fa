/** Requests as they come over the wire. */

/** What goes with a request. */
export interface RequestOptions {
  headers?: Record<string, string>;
  body?: BodyInit;
}

/**
 * A request whose URL is kept as it was written, as a server sees it: `Request` alone would fold
 * `%2e%2e` and the like.
 */
export function rawRequest(
  method: string,
  path: string,
  { headers = {}, body }: RequestOptions = {},
): Request {
  const request = new Request("http://node/", {
    method,
    headers,
    body: typeof body === "string" ? new TextEncoder().encode(body) : body ?? null,
  });
  Object.defineProperty(request, "url", { value: `http://node${path}` });
  return request;
}

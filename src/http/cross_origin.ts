/** What pages of other sites make a browser send. */
import { ConvergeError } from "../errors.ts";

/**
 * Refuses a POST that a page of another site made a browser send. Nothing else would stop it: a browser
 * sends a POST with ordinary headers without asking the server first, and nodes do not authenticate
 * clients. PUT and DELETE need no such check, since there the browser asks first (CORS), and no node agrees.
 *
 * @throws {ConvergeError} `cross_origin`.
 */
export function refuseCrossOrigin({ headers, url }: Request): void {
  const origin = headers.get("origin");
  if (origin === null) return; // no browser
  // A proxy may have put another host in the place of the one that the page knows.
  if (headers.get("sec-fetch-site") === "same-origin" || hostOf(origin) === hostOf(url)) return;
  throw new ConvergeError("cross_origin", `Cannot take what a page of ${origin} sends`);
}

/** Of `http://a:1/b` it is `a:1`. The scheme is the proxy's where one does TLS. */
function hostOf(url: string): string {
  return url.split("/", 3)[2] ?? url;
}

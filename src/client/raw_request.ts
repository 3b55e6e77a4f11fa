/** The few requests that `fetch` cannot send, because it folds their path. */
import { ClientError } from "./client_error.ts";
import type { IncomingMessage, request } from "node:http";
import type nodeProcess from "node:process";

/**
 * Sends a request whose path goes out as it is, where the runtime has `node:http`.
 *
 * @throws {ClientError} Where it has not, as in browsers.
 * @throws {Error} When the connection fails or `signal` aborts.
 */
export async function rawRequest(
  url: string,
  path: string,
  init: { method: string; headers: Record<string, string>; body?: Uint8Array; signal: AbortSignal },
): Promise<Response> {
  const { protocol, hostname, port } = new URL(url);
  const send = requestOf(protocol === "https:", path);
  const { method, headers, body, signal } = init;
  return await new Promise((resolve, reject) => {
    const outgoing = send(
      {
        hostname: hostname.replace(/^\[|\]$/g, ""), // of an IPv6 address
        port,
        path,
        method,
        headers,
        signal,
      },
      (incoming: IncomingMessage) => void collect(incoming).then(resolve, reject),
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** Asked for at run time, so that bundlers for browsers have nothing to look for. */
function requestOf(isSecure: boolean, path: string): typeof request {
  const { process } = globalThis as { process?: Partial<typeof nodeProcess> };
  const http = process?.getBuiltinModule?.(isSecure ? "node:https" : "node:http");
  if (http !== undefined) return http.request;
  const why = `Cannot ask for ${path} here: this runtime knows no such path`;
  throw new ClientError(why, { passing: false });
}

async function collect(incoming: IncomingMessage): Promise<Response> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (typeof value === "string") headers.set(name, value);
  }
  const status = incoming.statusCode ?? 0;
  const bodyless = status === 204 || status === 304;
  return new Response(bodyless ? null : new Blob(chunks), { status, headers });
}

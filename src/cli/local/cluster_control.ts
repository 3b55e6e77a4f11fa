/**
 * The control of `converge cluster` over HTTP, for scripts and for the buttons of the page:
 *
 *     GET  /                              how the cluster stands
 *     POST /nodes/{name}/{action}         start, stop, kill, pause, resume, restart
 *     POST /links/{name}/{name}/{action}  cut, heal
 *
 * Every answer is the status after it. The control listens on loopback only, and takes orders only
 * from pages of the cluster's own nodes: any web site that a browser shows could otherwise send
 * them here (CSRF, DNS rebinding).
 */
import { isConvergeError } from "../../errors.ts";
import { plainProblem } from "../../platform/deno/plain_problem.ts";
import { type LocalCluster, NODE_ACTIONS } from "./local_cluster.ts";

/** Makes the handler. */
export function clusterControl(
  cluster: LocalCluster,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const origin = request.headers.get("origin");
    const isOrdered = isLoopback(URL.parse(request.url)) &&
      (origin === null || isPageOf(cluster, origin));
    if (!isOrdered) {
      return problem(403, "Only pages of this cluster's nodes may use its control");
    }
    const headers = new Headers({ vary: "Origin", "cache-control": "no-store" });
    if (origin !== null) headers.set("access-control-allow-origin", origin);
    const response = await answer(cluster, request);
    for (const [name, value] of headers) response.headers.set(name, value);
    return response;
  };
}

async function answer(cluster: LocalCluster, request: Request): Promise<Response> {
  const steps = new URL(request.url).pathname.slice(1).split("/");
  const isStatus = steps.length === 1 && steps[0] === "";
  const order = isStatus ? undefined : orderOf(cluster, steps);
  if (!isStatus && order === undefined) {
    const urls = cluster.status().nodes.map((node) => node.url);
    return problem(
      404,
      `There is no such control; keys are at the nodes: name one with --url, ${urls.join(" or ")}`,
    );
  }
  const method = isStatus ? "GET" : "POST";
  if (request.method === "OPTIONS") {
    return new Response(null, { status: 204, headers: { "access-control-allow-methods": method } });
  }
  if (request.method !== method) {
    return problem(405, `This control takes ${method} only`, { allow: method });
  }
  try {
    await order?.();
    return Response.json(cluster.status());
  } catch (error) {
    if (!isConvergeError(error)) throw error;
    return problem(error.code === "bad_request" ? 400 : 503, error.message);
  }
}

function orderOf(cluster: LocalCluster, steps: string[]): (() => void | Promise<void>) | undefined {
  const [kind, first = "", second = "", third = ""] = steps;
  const action = NODE_ACTIONS.find((candidate) => candidate === second);
  if (kind === "nodes" && steps.length === 3 && action !== undefined) {
    return () => cluster.act(first, action);
  }
  if (kind === "links" && steps.length === 4 && (third === "cut" || third === "heal")) {
    return () => cluster.link(first, second, third);
  }
  return undefined;
}

/** A node's page may be open under any name of this machine. */
function isPageOf(cluster: LocalCluster, origin: string): boolean {
  const page = URL.parse(origin);
  return cluster.status().nodes.some(({ url }) =>
    url === origin || (isLoopback(page) && page?.port === new URL(url).port)
  );
}

function isLoopback(url: URL | null): boolean {
  const hostname = url?.hostname ?? "";
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function problem(status: number, detail: string, headers: Record<string, string> = {}): Response {
  return plainProblem(status, "control", detail, headers);
}

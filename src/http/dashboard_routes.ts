/** The page at `/`, with everything that it needs: nothing is loaded from another host. */
import type { Hono } from "hono";
import { ASSETS } from "../dashboard/assets.generated.ts";
import { methodNotAllowed } from "./problem.ts";

/**
 * Scripts and styles come from files of this node only. `converge cluster` adds the origin of its
 * control to `connect-src`.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Headers of every page. */
export const PAGE_SAFETY = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

/** Adds the routes. */
export function dashboardRoutes(app: Hono): void {
  for (const { path, contentType, text, immutable } of ASSETS) {
    const headers: Record<string, string> = {
      ...PAGE_SAFETY,
      "content-type": contentType,
      "cache-control": immutable ? "public, max-age=31536000, immutable" : "no-cache",
    };
    if (contentType.startsWith("text/html")) headers["content-security-policy"] = PAGE_POLICY;
    app.get(path, () => new Response(text, { headers }));
    app.all(path, ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
  }
  // `converge cluster` answers this in the node's stead, with the URL of its control.
  app.get("/control", (c) => c.json({ url: null }));
  app.all("/control", ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
}

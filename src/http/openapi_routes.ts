/** `/openapi.json` and, to read, `/docs`. */
import type { Hono } from "hono";
import { ASSETS } from "../dashboard/assets.generated.ts";
import { PAGE_POLICY, PAGE_SAFETY } from "./dashboard_routes.ts";
import { methodNotAllowed } from "./problem.ts";

/** Adds the routes. What they need is loaded when they are first asked: no node starts later for it. */
export function openapiRoutes(app: Hono): void {
  app.get("/openapi.json", async (c) => {
    const { openApiDocument } = await import("./openapi_document.ts");
    return c.json(openApiDocument());
  });
  app.get("/docs", async () => {
    const { openApiDocument } = await import("./openapi_document.ts");
    const { referencePage } = await import("./reference_page.ts");
    const style = ASSETS.find(({ contentType }) => contentType.startsWith("text/css"))!;
    return new Response(referencePage(openApiDocument(), style.path), {
      headers: {
        ...PAGE_SAFETY,
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": PAGE_POLICY,
      },
    });
  });
  for (const path of ["/openapi.json", "/docs"]) {
    app.all(path, ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
  }
}

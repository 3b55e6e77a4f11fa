import { assertEquals, assertStringIncludes } from "@std/assert";
import { Hono } from "hono";
import { problemResponse } from "../../src/http/problem.ts";
import { removalRoutes, type RemovalRoutesOptions } from "../../src/http/removal_routes.ts";
import { type Removal, REMOVALS_MAX } from "../../src/membership/removal.ts";
import { DenoClock } from "../../src/platform/deno/deno_clock.ts";
import { gossipOf, member, originOf } from "../support/members.ts";
import { problemOf } from "../support/problems.ts";

Deno.test("POST /cluster/removals: where as many were removed as can be remembered it is 409", async () => {
  const removed = Array.from({ length: REMOVALS_MAX }, (_, i): Removal => {
    const name = `gone${i}`;
    const life = { name, nodeID: `${name}.1`, origin: originOf(name), incarnation: 1 };
    return { ...life, dead: true, ended: true };
  });
  const gossip = gossipOf(member("a"), { known: [member("b")], removed });
  const app = new Hono();
  app.onError(problemResponse);
  const options = { gossip, clock: new DenoClock(), isStopping: () => false };
  removalRoutes(app, options as unknown as RemovalRoutesOptions);
  const body = JSON.stringify({ name: "b", dead: true });
  const answer = await app.request("/cluster/removals", { method: "POST", body });
  const { detail } = await problemOf(answer, 409, "not-removable");
  assertStringIncludes(String(detail), `${REMOVALS_MAX} were removed before`);
  assertEquals(gossip.members.map(({ name }) => name), ["a", "b"]);
});

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Hono } from "hono";
import type { RemovalProgress } from "../../src/http/cluster_view.ts";
import { problemResponse } from "../../src/http/problem.ts";
import { removalRoutes, type RemovalRoutesOptions } from "../../src/http/removal_routes.ts";
import type { Gossip } from "../../src/membership/gossip.ts";
import { REMOVALS_MAX } from "../../src/membership/removal.ts";
import { DenoClock } from "../../src/platform/deno/deno_clock.ts";
import { gossipOf, member, removal } from "../support/members.ts";
import { problemOf } from "../support/problems.ts";

/** The route over a node's gossip. @param save What keeps it. */
function routeOf(gossip: Gossip, save: () => Promise<void> = async () => {}) {
  const app = new Hono();
  app.onError(problemResponse);
  const options = {
    gossip,
    gossipLoop: { save },
    clock: new DenoClock(),
    isStopping: () => false,
    onRemovalBegun() {},
  };
  removalRoutes(app, options as unknown as RemovalRoutesOptions);
  return async (order: object) =>
    await app.request("/cluster/removals", { method: "POST", body: JSON.stringify(order) });
}

async function progressOf(answer: Response): Promise<RemovalProgress> {
  assertEquals(answer.status, 202);
  return await answer.json();
}

Deno.test("POST /cluster/removals: where as many were removed as can be remembered it is 409", async () => {
  const removed = Array.from(
    { length: REMOVALS_MAX },
    (_, i) => removal(`gone${i}`, { dead: true, ended: true }),
  );
  const gossip = gossipOf(member("a"), { known: [member("b")], removed });
  const answer = await routeOf(gossip)({ name: "b", dead: true });
  const { detail } = await problemOf(answer, 409, "not-removable");
  assertStringIncludes(String(detail), `${REMOVALS_MAX} were removed before`);
  assertEquals(gossip.members.map(({ name }) => name), ["a", "b"]);
});

Deno.test("POST /cluster/removals: is answered once it is known after a restart, too", async () => {
  const saved = Promise.withResolvers<void>();
  const gossip = gossipOf(member("a"), { known: [member("b")] });
  let isAnswered = false;
  const answer = routeOf(gossip, () => saved.promise)({ name: "b", dead: true });
  void answer.then(() => isAnswered = true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals([isAnswered, gossip.pending.map(({ name }) => name)], [false, ["b"]]);
  saved.resolve();
  assertEquals((await progressOf(await answer)).name, "b");
});

Deno.test("POST /cluster/removals: a new member under the name of one that was removed is another", async () => {
  const first = removal("b", { ended: true });
  const gossip = gossipOf(member("a"), {
    known: [member("b", { nodeID: "b.2", incarnation: 2 })],
    removed: [first],
  });
  const order = routeOf(gossip);
  const { nodeID, ended } = await progressOf(await order({ name: "b", dead: true }));
  assertEquals([nodeID, ended], ["b.2", false]);
  gossip.endRemoval("b.2");
  const again = await progressOf(await order({ name: "b" }));
  assertEquals([again.nodeID, again.ended], ["b.2", true]);
});

Deno.test("POST /cluster/removals: one that is being removed may be said to be dead", async () => {
  const gossip = gossipOf(member("a"), { known: [member("b")], removed: [removal("b")] });
  const { dead } = await progressOf(await routeOf(gossip)({ name: "b", dead: true }));
  assertEquals([dead, gossip.pending[0]?.dead], [true, true]);
});

Deno.test("POST /cluster/removals: tells what those say that are removed, each of its own", async () => {
  const known = [member("b"), member("c", { removals: { "c.1": "known" } })];
  const gossip = gossipOf(member("a"), { known, removed: [removal("b"), removal("c")] });
  const progress = await progressOf(await routeOf(gossip)({ name: "c" }));
  assertEquals([progress.leaving, progress.stages], ["known", { a: null }]);
});

Deno.test("POST /cluster/removals: an order is short", async () => {
  const order = { name: "b".repeat(4_096) };
  await problemOf(await routeOf(gossipOf(member("a")))(order), 413, "value-too-large");
});

import { assertEquals } from "@std/assert";
import { waitsOf } from "../../src/cli/remove.ts";

Deno.test("converge remove: says for whom it waits, and what to do where that may be in vain", () => {
  const origin = "http://node4:80";
  const of = { name: "node4", nodeID: "node4.1", origin, incarnation: 1 };
  const removal = { ...of, dead: false, ended: false, leaving: null };
  const waits = (stages: Parameters<typeof waitsOf>[0]["stages"], more = {}) =>
    waitsOf({ ...removal, stages, ...more });
  assertEquals(
    waits({ node1: "known", node2: null, node3: null }),
    "node4: waiting until it is known to node2, node3",
  );
  const known = { node1: "known", node2: "known" } as const;
  assertEquals(
    waits(known),
    "node4: waiting until it knows itself; if it will not come back: converge remove --dead node4",
  );
  const takenOver = "node4: what it had is taken over by node1, node2";
  assertEquals(waits(known, { leaving: "known" as const }), takenOver);
  assertEquals(waits(known, { dead: true }), takenOver);
  assertEquals(
    waits({ node1: "done", node2: "refilling" }, { dead: true }),
    "node4: what it had is taken over by node2",
  );
  const all = { node1: "done", node2: "done" } as const;
  assertEquals(waits(all, { dead: true }), "node4: what it had has been taken over");
});

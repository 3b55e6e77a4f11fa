import { assertEquals, assertThrows } from "@std/assert";
import { DEFAULTS, sharedOptions } from "../../../src/config.ts";
import { ConvergeError } from "../../../src/errors.ts";
import type { Gossip } from "../../../src/membership/gossip.ts";
import { CurrentTopology } from "../../../src/replication/topology/current_topology.ts";
import { Topology } from "../../../src/replication/topology/topology.ts";
import { gossipOf, member, removal } from "../../support/members.ts";
import { keyOf } from "../../support/records.ts";

function currentOf(gossip: Gossip): CurrentTopology {
  return new CurrentTopology({
    gossip,
    shared: sharedOptions(DEFAULTS),
    createTopology: (options) => new Topology(options),
  });
}

Deno.test("CurrentTopology: a node takes no requests from when it is being removed on, to its end", () => {
  const gossip = gossipOf(member("node1"), { known: [member("node2"), member("node3")] });
  const current = currentOf(gossip);
  assertEquals(current.topology.serving, true);
  for (const ended of [false, true]) {
    const removed = [removal("node1", { ended })];
    gossip.receive({ from: "node2", members: [member("node2")], removed }, 0);
    current.refresh();
    assertEquals(current.topology.serving, false, `ended: ${ended}`);
    const error = assertThrows(() => current.topology.ownersOf(keyOf("k")), ConvergeError);
    assertEquals(error.code, "not_ready", `ended: ${ended}`);
  }
});

Deno.test("CurrentTopology: who was normal once is not new, whatever it is now", () => {
  const lost = member("node2", { nodeID: "node2.2", status: "refilling" });
  const gossip = gossipOf(member("node1"), { known: [lost], settled: ["node2"] });
  assertEquals(currentOf(gossip).topology.settled.toSorted(), ["node1", "node2"]);
});

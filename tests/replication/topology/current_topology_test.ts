import { assertEquals, assertThrows } from "@std/assert";
import { DEFAULTS, sharedOptions } from "../../../src/config.ts";
import { ConvergeError } from "../../../src/errors.ts";
import { CurrentTopology } from "../../../src/replication/topology/current_topology.ts";
import { Topology } from "../../../src/replication/topology/topology.ts";
import { gossipOf, member, removal } from "../../support/members.ts";
import { keyOf } from "../../support/records.ts";

Deno.test("CurrentTopology: a node takes no requests from when it is being removed on, to its end", () => {
  const gossip = gossipOf(member("node1"), { known: [member("node2"), member("node3")] });
  const current = new CurrentTopology({
    gossip,
    shared: sharedOptions(DEFAULTS),
    createTopology: (options) => new Topology(options),
  });
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

/** Topologies for tests, in few words. */
import { Topology, type TopologyOptions } from "../../src/replication/topology/topology.ts";
import { member } from "./members.ts";

/** A topology of normal members `node1` .. `node<count>` as `node1` sees it. */
export function topologyOf(count: number, options: Partial<TopologyOptions> = {}): Topology {
  return new Topology({
    members: Array.from({ length: count }, (_, i) => member(`node${i + 1}`)),
    unresolvedSeeds: [],
    selfName: "node1",
    replication: 3,
    readQuorum: 2,
    writeQuorum: 2,
    virtualNodes: 100,
    ...options,
  });
}

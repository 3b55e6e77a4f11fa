/** Faults of processes: they die, are stopped or stand still, and what they are told is not as before. */
import { NO_TIME } from "../world/simulated_node.ts";
import { booting, NO_UNDO, type Strikes } from "./strike.ts";

/** Processes that ended are started again when the fault is over. */
export const PROCESS_FAULTS: Strikes<
  | "crash"
  | "crash_in_write"
  | "blackout"
  | "restart"
  | "pause"
  | "busy"
  | "move"
  | "swap"
  | "other_peers"
  | "own_options"
  | "options"
  | "clock_jump"
> = {
  crash({ cluster, node }, { power, silent }) {
    cluster.kill(node, { power, silent });
    return booting(cluster, node);
  },

  crash_in_write({ cluster, node }, { operations }) {
    const boot = booting(cluster, node);
    node.disk.crashAtOperation(node.disk.operations + operations);
    return () => {
      node.disk.crashAtOperation(Infinity);
      boot();
    };
  },

  blackout({ cluster }) {
    const { members } = cluster;
    for (const node of members) cluster.kill(node, { silent: true });
    return booting(cluster, ...members);
  },

  restart({ cluster, node }) {
    void cluster.stop(node);
    return booting(cluster, node);
  },

  pause({ cluster, node }) {
    cluster.pause(node);
    return () => cluster.resume(node);
  },

  busy({ node }, { turnMs }) {
    node.turnMs = turnMs;
    return () => node.turnMs = NO_TIME;
  },

  move({ cluster, node }) {
    cluster.kill(node, { power: false });
    cluster.move([[node, node.origin.replace(/\d+$/, String(8080 + node.lives))]]);
    return booting(cluster, node);
  },

  swap({ cluster }, fault) {
    const [a, b] = [cluster.nodes[fault.a]!, cluster.nodes[fault.b]!];
    for (const node of [a, b]) cluster.kill(node, { power: false });
    cluster.move([[a, b.origin], [b, a.origin]]);
    return booting(cluster, a, b);
  },

  other_peers({ cluster, node }, fault) {
    cluster.kill(node, { power: false });
    const peers = fault.peers.map((peer) => cluster.nodes[peer]!.origin);
    node.config = { ...node.config, peers };
    return booting(cluster, node);
  },

  own_options({ cluster, node }, { options }) {
    void cluster.stop(node);
    node.config = { ...node.config, ...options };
    return booting(cluster, node);
  },

  options({ world, cluster }, { options }) {
    const { members, nodes } = cluster;
    // At once: nodes with other options than others have must not meet, nor hear of each other.
    for (const node of members) cluster.kill(node, { power: false });
    world.network.endConnections();
    for (const node of nodes) node.config = { ...node.config, ...options };
    return booting(cluster, ...members);
  },

  clock_jump({ cluster, node }, skew) {
    cluster.skew(node, skew);
    return NO_UNDO;
  },
};

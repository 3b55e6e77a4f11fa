/**
 * What decides, beside the members, who owns a key: N and the number of virtual nodes. Records stay
 * where they are when these change, so that their new owners would lack them, and some would hold
 * copies from before a deletion. So both are kept with the data, and a node starts with no others.
 */
import type { NodeConfig } from "../../config.ts";
import { ConvergeError } from "../../errors.ts";

/** N and virtual nodes that data was stored with. */
export type RingLayout = Pick<NodeConfig, "replication" | "virtualNodes">;

/**
 * Holds a node to the layout of its data. While everybody owns everything, before and after, another
 * one moves nothing.
 *
 * @param members Members that the node remembers, itself included.
 * @throws {ConvergeError} `bad_config`.
 */
export function requireLayout(stored: RingLayout, wanted: RingLayout, members: number): void {
  if (members <= Math.min(stored.replication, wanted.replication)) return;
  requireSame("--replication", stored.replication, wanted.replication);
  requireSame("--virtual-nodes", stored.virtualNodes, wanted.virtualNodes);
}

function requireSame(option: string, stored: number, wanted: number): void {
  if (wanted === stored) return;
  throw new ConvergeError(
    "bad_config",
    `Cannot use ${option} ${wanted}: the data was stored with ${stored}, and would have other owners`,
  );
}

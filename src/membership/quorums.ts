/** How many owners must answer, by how many members there are. */
import type { SharedOptions } from "../config.ts";

/** N, R and W as they are now. */
export interface Quorums {
  readonly n: number;
  readonly r: number;
  readonly w: number;
}

/** N, R and W as all nodes were started with. */
export type QuorumOptions = Pick<SharedOptions, "replication" | "readQuorum" | "writeQuorum">;

/**
 * With fewer than N members, N is what there is and the quorums are majorities of it. Writes need more
 * where R is less than a majority: any R of N members must meet what was acknowledged by these.
 */
export function quorumsOf(total: number, options: QuorumOptions): Quorums {
  const { replication, readQuorum, writeQuorum } = options;
  if (total >= replication) return { n: replication, r: readQuorum, w: writeQuorum };
  const majority = majorityOf(total);
  return { n: total, r: majority, w: Math.max(majority, total - readQuorum + 1) };
}

/** Whether each quorum of `total` members that own everything meets each one of a member less. */
export function quorumsMeet(total: number, { replication, readQuorum }: QuorumOptions): boolean {
  return total < replication || total === replication && readQuorum >= majorityOf(replication);
}

/** The least number that is more than half. */
export function majorityOf(total: number): number {
  return Math.floor(total / 2) + 1;
}

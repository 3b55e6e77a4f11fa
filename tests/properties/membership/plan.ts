/** What a schedule of the model of membership draws at its beginning. */
import type { SharedOptions } from "../../../src/config.ts";
import { majorityOf } from "../../../src/membership/quorums.ts";
import { pick, type Random, randomInteger } from "../../../src/platform/random.ts";

/** What a schedule draws at its beginning. */
export interface Plan extends SharedOptions {
  /** Nodes that are normal at the beginning. */
  readonly firstNodes: number;
  readonly steps: number;
  /**
   * Whether no more fails than what the house promises to survive: one disk at most is lost, or said to be,
   * of a node that does not count yet, or while three are normal. Only then quorums are judged.
   */
  readonly isCareful: boolean;
  /** How probable it is that a step is followed by a change of the members. */
  readonly eagerness: number;
  /** Steps after which other links are cut. */
  readonly epoch: number;
  /** Share of links that are cut at a time. */
  readonly cutShare: number;
  /** Share of disks that are full at a time. */
  readonly fullDisks: number;
  /** Weights beside those of other steps. */
  readonly writes: number;
  readonly sleeps: number;
  readonly saves: number;
  readonly budget: Budget;
}

/** Changes that are left to be made, by kind. */
export interface Budget {
  /** A new node comes. */
  join: number;
  /** A disk is lost, or a node is said to be dead. */
  loss: number;
  /** A member that lives is removed, by one that may be removed itself. */
  removal: number;
  /** A process ends, and what it had not saved is forgotten. */
  crash: number;
  /** A node is added again under the name of one that was removed. */
  comeback: number;
  /** A node is started at another address. */
  move: number;
}

/** Draws a plan. */
export function planOf(random: Random): Plan {
  const replication = pick(random, [2, 3, 3, 5]);
  const majority = majorityOf(replication);
  const writeQuorum = majority + randomInteger(random, replication - majority + 1);
  const isCareful = random.next() < 0.6;
  return {
    replication,
    writeQuorum,
    readQuorum: replication - writeQuorum + 1 + randomInteger(random, writeQuorum),
    virtualNodes: pick(random, [1, 2, 4]),
    firstNodes: Math.max(1, replication - 2 + randomInteger(random, 4)),
    steps: 80 + randomInteger(random, 200),
    isCareful,
    eagerness: pick(random, [0.03, 0.08, 0.2]),
    epoch: pick(random, [20, 50, 100]),
    cutShare: pick(random, [0.1, 0.2, 0.3]),
    fullDisks: pick(random, [0, 0, 0.2]),
    writes: isCareful ? pick(random, [8, 20]) : 0,
    sleeps: pick(random, [0, 0, 2]),
    saves: pick(random, [4, 15, 40]),
    budget: {
      join: pick(random, [1, 2, 3, 4]),
      loss: pick(random, isCareful ? [0, 1, 1] : [1, 2, 3]),
      removal: pick(random, isCareful ? [0, 0, 0, 1, 2] : [0, 1, 2, 3]),
      crash: pick(random, [0, 1, 4]),
      comeback: pick(random, [0, 1, 3]),
      move: pick(random, [0, 0, 1, 2]),
    },
  };
}

/**
 * What a node counts of its work, in all since it was started, as `GET /cluster` tells it. Apart from those
 * who count, so that programs that use these types need nothing of what a node is made of.
 */

/** What became of requests. */
export interface CoordinatorCounts {
  writes: number;
  reads: number;
  writesFailed: number;
  readsFailed: number;
  repairs: number;
}

/** Totals of what became of hints. */
export interface HintTotals {
  added: number;
  delivered: number;
  dropped: number;
}

/** The same, and what waits now. */
export interface HintCounts extends HintTotals {
  waiting: Record<string, number>;
}

/** What an exchange moved. */
export interface ExchangeCounts {
  pulled: number;
  pushed: number;
  compared: number;
}

/** What anti-entropy did. */
export interface AntiEntropyCounts extends ExchangeCounts {
  /** Begun; of those that have ended each counts as one of the next three. */
  rounds: number;
  roundsDone: number;
  roundsFailed: number;
  roundsEqual: number;
  /** Turns that waited for a quieter time. */
  roundsPutOff: number;
  /** Milliseconds that the last round took, and the last bringing up to date of the tree. */
  lastRoundMs: number;
  readonly lastTreeMs: number;
}

/** How far refilling is. */
export interface RefillProgress {
  /** Members that have been read to the end. */
  done: string[];
  /** Records taken so far in this life. */
  pulled: number;
  /** Members that have yet to give what they have, to know this node, or to be filled before it. */
  waitsFor: string[];
}

/** What the collection of tombstones found. */
export interface CollectorCounts {
  /** Tombstones and expired records that the last round found, of which this node is an owner. */
  tombstones: number;
  /** Of which this node is the first owner, and that every owner has forgotten. */
  collected: number;
  /** Confirmations that an owner did not give, in the last round. */
  unconfirmed: number;
}

/**
 * Who is silent. Heartbeats advance by gossip; a member whose heartbeat has not advanced for long is
 * suspect, then down, and up again when heard (van Renesse et al., "A Gossip-Style Failure Detection
 * Service", 1998). Purely local and only for pacing and display: no decision about data rests on it.
 */

/** Local opinion of a member. */
export type Liveness = "up" | "suspect" | "down";

/** Remembers when each member was last heard of. Time is passed in. */
export class FailureDetector {
  readonly #intervalMs: number;
  readonly #heardAtMs = new Map<string, number>();

  /** @param intervalMs The gossip interval of the cluster. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** The member's heartbeat advanced, or it answered a request. */
  heard(name: string, nowMs: number): void {
    this.#heardAtMs.set(name, nowMs);
  }

  /** The member is no longer followed. */
  forget(name: string): void {
    this.#heardAtMs.delete(name);
  }

  /** Milliseconds since the member was heard of; Infinity when never. */
  silenceMs(name: string, nowMs: number): number {
    return nowMs - (this.#heardAtMs.get(name) ?? -Infinity);
  }

  /** @param clusterSize Members in all: news takes O(log n) rounds to arrive. */
  livenessOf(name: string, nowMs: number, clusterSize: number): Liveness {
    const silenceMs = this.silenceMs(name, nowMs);
    const suspectMs = suspectAfterMs(this.#intervalMs, clusterSize);
    return silenceMs < suspectMs ? "up" : silenceMs < 2 * suspectMs ? "suspect" : "down";
  }
}

/** Silence after which a member is suspect: two lost rounds beyond the time that news takes. */
export function suspectAfterMs(intervalMs: number, clusterSize: number): number {
  return intervalMs * (2 + Math.ceil(Math.log2(Math.max(2, clusterSize))));
}

/** What a coordinator is made of, and what the operations that it runs use of it. */
import type { Quorums } from "../../membership/quorums.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Random } from "../../platform/random.ts";
import type { Key } from "../../record/key.ts";
import type { DeadlineQueue } from "./deadline_queue.ts";
import type { HintedHandoff } from "../convergence/hinted_handoff.ts";
import type { LamportClock } from "../state/lamport_clock.ts";
import type { PeerLink } from "../peers/peer_link.ts";
import type { Replica } from "../replica.ts";
import type { RetryBudget } from "./retry_budget.ts";
import type { Owner } from "../topology/owner.ts";
import type { Topology } from "../topology/topology.ts";

/** What a coordinator is made of. */
export interface CoordinatorOptions {
  selfName: string;
  nodeID: string;
  clock: Clock;
  random: Random;
  lamport: LamportClock;
  replica: Replica;
  hints: HintedHandoff;
  topology(): Topology;
  linkTo(name: string): PeerLink | undefined;
  /** Where this node would find its copy: `memtable` or a table's name. */
  locate(key: Key): string | undefined;
  requestTimeoutMs: number;
  inFlightMax: number;
  /** Whether an answer `stored` means that it is past fsync. */
  fsynced: boolean;
}

/** What operations use of their coordinator. */
export interface CoordinatorContext extends Omit<CoordinatorOptions, "topology"> {
  readonly deadlines: DeadlineQueue;
  readonly hedges: DeadlineQueue;
  readonly retries: RetryBudget;
  quorums(): Quorums;
  /** What it may cost to ask an owner: the lowest is to be asked first. */
  costOf(owner: Owner, nowMs: number): number;
  /**
   * A read was answered, after so many ms; undefined where it waited for nobody. Like its three
   * siblings: told once for each operation.
   */
  onRead(ms: number | undefined): void;
  onReadFailed(): void;
  onWritten(): void;
  onWriteFailed(): void;
  onRepair(): void;
}

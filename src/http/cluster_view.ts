/** What `/cluster` answers, as programs use it: types alone, which need no package. */
import type { Liveness } from "../membership/failure_detector.ts";
import type { Member } from "../membership/member.ts";
import type { Quorums } from "../membership/quorums.ts";
import type { Removal } from "../membership/removal.ts";
import type { RemovalStage } from "../membership/removal_stage.ts";
import type {
  AntiEntropyCounts,
  CollectorCounts,
  CoordinatorCounts,
  HintCounts,
  RefillProgress,
} from "../replication/counts.ts";
import type { StoreStatistics } from "../storage/store.ts";

/** The answer of `GET /cluster`. */
export interface ClusterView {
  /** Name of the node that answers. */
  self: string;
  ready: boolean;
  quorums: Quorums;
  /** Highest Lamport counter seen. */
  counter: number;
  members: ClusterMember[];
  /** Origins from the command line that nobody has been heard under yet. */
  unresolvedSeeds: string[];
  /** Removals that have not ended. */
  removals: RemovalProgress[];
  refill: RefillProgress;
  hints: HintCounts;
  antiEntropy: AntiEntropyCounts;
  tombstones: CollectorCounts;
  requests: CoordinatorCounts & { inFlight: number };
  storage: StoreStatistics;
}

/** A member, as the answering node sees it. */
export interface ClusterMember extends Member {
  state: Liveness;
  /** Milliseconds since it was heard of; null when never. */
  silentMs: number | null;
  /** Share of the token space of which it is first owner, 0..1. */
  ownership: number;
}

/** How far a removal is, as the answering node sees it. */
export interface RemovalProgress extends Removal {
  /** What remaining members say; null where one is not known to know of it. */
  stages: Record<string, RemovalStage | null>;
  /** What the one that is removed says; null as above. */
  leaving: RemovalStage | null;
}

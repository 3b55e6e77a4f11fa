/** Deliberate mistakes, to show that the simulation finds them. */
import type { NodeParts } from "../../node/node_parts.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Plan } from "../plans/plan.ts";
import type { Store } from "../../storage/store.ts";

/** A mistake that is made in every node of a run, through the seam or the composition root. */
export interface Defect {
  /** As given to `--defect`. */
  readonly name: string;
  /** What the store does wrong. */
  readonly about: string;
  /** Seeds, counted from 1, within which it must be caught. */
  readonly seedsMax: number;
  /** Faulty parts. */
  readonly parts?: Partial<NodeParts>;
  /** The outside world as the faulty node sees it. */
  readonly platform?: (platform: Platform, nodeName: string) => Platform;
  /** A plan under which the mistake shows sooner, for one that needs a rare fault. */
  readonly plan?: (plan: Plan) => Plan;
  /** A faulty store around the real one. */
  readonly store?: (store: Store) => Store;
}

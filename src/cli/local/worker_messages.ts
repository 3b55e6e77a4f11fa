/** What `converge cluster` and the Workers of its nodes say to each other. */
import type { NodeSettings } from "../options/node_options.ts";

/** To a Worker. */
export type ToWorker =
  /** The answer to `loaded`. */
  | {
    type: "start";
    settings: NodeSettings;
    controlUrl: string;
    /** One 32-bit integer: 1 while the node is to stand still. */
    gate: SharedArrayBuffer;
    /** Whether a predecessor may not have let go of the port and the data directory yet. */
    isSuccessor: boolean;
  }
  | { type: "stop" }
  | { type: "pause" }
  /** The peers' origins to which nothing gets through from now on. */
  | { type: "cut"; origins: string[] };

/** Whether an option is what keeps a node from running, or anything else. */
export type FailureCode = "bad_config" | "not_ready";

/** From a Worker. */
export type FromWorker =
  /** The program has loaded; what is posted to a Worker before that may get lost. */
  | { type: "loaded" }
  | { type: "ready"; url: string }
  /** The node could not start, or had to stop itself; the last message. */
  | { type: "failed"; message: string; code: FailureCode }
  /** The node stopped in an orderly way; the last message. */
  | { type: "stopped" };

/** Names of Workers that are nodes of a cluster begin so. */
export const NODE_WORKER_PREFIX = "node";

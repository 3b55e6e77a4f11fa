/** A machine of the model of membership: an address, a disk, and what runs there. */
import type { Key } from "../../../src/record/key.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { originOf } from "../../support/members.ts";
import type { ModelNode, StopReason } from "./node.ts";

/** What a node has on its disk. */
export interface ModelDisk {
  /** What it keeps for itself. */
  readonly store: MemoryStore;
  /** Versions by key: no more than a counter. */
  readonly copies: Map<Key, number>;
  /** Whether nothing can be written now. */
  isFull: boolean;
}

export function emptyDisk(): ModelDisk {
  return { store: new MemoryStore(), copies: new Map(), isFull: false };
}

/** Why nothing runs on a machine. */
export type DownReason =
  /** It is started again. */
  | "crashed"
  /** Its disk is lost, and it was left at that. */
  | "gave up"
  /** It was started on the directory of a removed life. */
  | "refused"
  | StopReason;

/** Where a node of some name runs; nobody but an operator runs two of one name. */
export class Machine {
  readonly name: string;
  /** Position among all machines, for links. */
  readonly index: number;
  origin: string;
  disk = emptyDisk();
  /** Undefined while nothing runs here. */
  node: ModelNode | undefined;
  /** Of the life that ran here last. */
  nodeID: string | undefined;
  downSince: DownReason = "crashed";
  /** What was on its command line. */
  seeds: readonly string[] = [];

  constructor(name: string, index: number) {
    this.name = name;
    this.index = index;
    this.origin = originOf(name);
  }

  /** What runs here ends; what was not saved is forgotten. */
  end(why: DownReason): void {
    this.node = undefined;
    this.downSince = why;
  }

  /** Whether whoever looks after processes starts it again. */
  get isRestarted(): boolean {
    return this.node === undefined &&
      ["crashed", "old copy", "another life was removed"].includes(this.downSince);
  }
}

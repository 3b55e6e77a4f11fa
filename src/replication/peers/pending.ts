/**
 * What waits in the lanes to peers and to this node's own copy, and for whom.
 *
 * Classes, not literals: V8 lets the literals of a place begin as old objects once enough of them
 * outlived a collection, as what waits for a peer or a disk may. Each would then keep its operation,
 * and all that hangs on it, until the next full collection.
 */
import type { Key } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import type { Version } from "../../record/version.ts";
import type { ReadQuestion, ReadReply } from "./internal_protocol.ts";
import type { WriteWaiter } from "../quorum/write_core.ts";

/** What becomes of a question to a peer. */
export type PeerReply = Exclude<ReadReply, "again"> | "refused" | "timeout" | "overloaded";

/** Who waits for the answer to a read. */
export interface ReadWaiter {
  onReadReply(slot: number, reply: PeerReply, nowMs: number): void;
}

/** A question and who asks it. */
export class PendingRead implements ReadQuestion {
  readonly key: Key;
  readonly have: Version | undefined;
  readonly waiter: ReadWaiter;
  readonly slot: number;

  constructor(key: Key, have: Version | undefined, waiter: ReadWaiter, slot: number) {
    this.key = key;
    this.have = have;
    this.waiter = waiter;
    this.slot = slot;
  }
}

/** A record and who wants it stored. */
export class PendingWrite {
  readonly record: StoredRecord;
  readonly waiter: WriteWaiter;
  readonly slot: number;

  constructor(record: StoredRecord, waiter: WriteWaiter, slot: number) {
    this.record = record;
    this.waiter = waiter;
    this.slot = slot;
  }
}

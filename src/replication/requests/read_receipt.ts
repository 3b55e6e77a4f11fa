/** The receipt of a read: what each owner did, which version won, and why. */
import type { Key } from "../../record/key.ts";
import { isLive, type StoredRecord } from "../../record/record.ts";
import type { CoordinatorContext } from "./coordinator_context.ts";
import type { ReadAnswer } from "../quorum/read_core.ts";
import type { OwnerReceipt, Receipt } from "./receipt.ts";
import { receiptHead, receiptMs, receiptVersion } from "./receipt_parts.ts";
import type { Owner, OwnerSet } from "../topology/owner.ts";

/** What a read knows of itself. Lists are by position of the owner. */
export interface ReadFacts {
  readonly key: Key;
  readonly quorum: number;
  readonly set: OwnerSet;
  readonly state: "under way" | "answered" | "failed";
  /** Milliseconds that the read took. */
  readonly ms: number;
  /** This node's wall clock, by which a value has expired or not. */
  readonly wallMs: number;
  readonly newest: StoredRecord | undefined;
  /** Position of an owner with the newest version; undefined where none has the key. */
  readonly newestOwner: number | undefined;
  readonly answers: readonly (ReadAnswer | undefined)[];
  /** Milliseconds after which each answer came; undefined where no peer answered. */
  readonly answeredMs: readonly number[] | undefined;
  /** Where owners found their copies, if they were asked. */
  readonly from: readonly (string | undefined)[] | undefined;
  readonly repaired: readonly boolean[] | undefined;
  wasAsked(slot: number): boolean;
}

/** Makes the receipt of a read. */
export function readReceipt(
  { selfName, quorums }: Pick<CoordinatorContext, "selfName" | "quorums">,
  read: ReadFacts,
): Receipt {
  const { key, set: { owners }, quorum } = read;
  return {
    ...receiptHead("get", key),
    coordinator: selfName,
    quorums: quorums(),
    // W is more than half, so that R + W > N goes with it.
    strict: 2 * quorum > quorums().n,
    required: quorum,
    result: read.state,
    why: whyOf(read),
    ...receiptVersion(read.newest),
    ms: receiptMs(read.ms),
    owners: owners.map((owner, i) => ownerReceipt(read, owner, i)),
  };
}

function whyOf(read: ReadFacts): string {
  const { state, quorum, newest, newestOwner, set: { owners } } = read;
  if (state === "failed") {
    return `fewer than ${quorum} owners that count answered, or took the repair`;
  }
  if (newestOwner === undefined) return "no owner that answered has the key";
  const who = `${owners[newestOwner]!.name} has the newest version among the owners that answered`;
  if (newest?.tombstone) return `${who}: the key was deleted`;
  return isLive(newest, read.wallMs) ? who : `${who}: the value has expired`;
}

function ownerReceipt(read: ReadFacts, owner: Owner, i: number): OwnerReceipt {
  const answer = read.answers[i];
  const ms = owner.isSelf && answer !== undefined ? 0 : read.answeredMs?.[i];
  const from = read.from?.[i];
  return {
    name: owner.name,
    outcome: typeof answer === "object"
      ? (answer.tombstone ? "deleted" : "found")
      : answer ?? (read.wasAsked(i) ? "pending" : "not asked"),
    ...receiptVersion(typeof answer === "object" ? answer : undefined),
    ...(ms === undefined ? {} : { ms: receiptMs(ms) }),
    countsForQuorum: owner.countsForReads,
    ...(from === undefined ? {} : { from }),
    ...(read.repaired?.[i] ? { repaired: true } : {}),
  };
}

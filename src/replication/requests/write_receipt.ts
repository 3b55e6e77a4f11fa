/** The receipt of a write: what each owner did, and where a value may be that was not acknowledged. */
import type { Key } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import type { Version } from "../../record/version.ts";
import type { CoordinatorContext } from "./coordinator_context.ts";
import type { OwnerReceipt, Receipt } from "./receipt.ts";
import { receiptHead, receiptMs, receiptVersion } from "./receipt_parts.ts";
import type { Owner, OwnerSet } from "../topology/owner.ts";
import type { WriteAnswer } from "../quorum/write_core.ts";

/** What a write knows of itself. Lists are by position of the owner. */
export interface WriteFacts {
  readonly key: Key;
  readonly isDelete: boolean;
  readonly quorum: number;
  readonly set: OwnerSet;
  readonly state: "under way" | "stored" | "failed";
  /** Milliseconds since the write began. */
  readonly ms: number;
  /** Times that it was tried; 0 where there was no counter for it. */
  readonly attempts: number;
  /** What was sent last; undefined where nothing was. */
  readonly record: StoredRecord | undefined;
  /** Owners that stored it, and count. */
  readonly stored: number;
  /** To the last attempt. */
  readonly answers: readonly (WriteAnswer | undefined)[];
  /** Milliseconds after which each answer came; undefined where none did. */
  readonly answeredMs: readonly number[] | undefined;
  readonly hinted: readonly boolean[] | undefined;
}

/** Makes the receipt of a write. */
export function writeReceipt(
  { selfName, quorums, fsynced }: Pick<CoordinatorContext, "selfName" | "quorums" | "fsynced">,
  write: WriteFacts,
): Receipt {
  const { key, set: { owners }, quorum, state, stored } = write;
  return {
    ...receiptHead(write.isDelete ? "delete" : "put", key),
    coordinator: selfName,
    quorums: quorums(),
    strict: quorum >= quorums().w,
    required: quorum,
    result: state,
    why: state === "stored"
      ? `${stored} of ${owners.length} owners have it on disk, ${quorum} were required`
      : `only ${stored} of the ${quorum} required owners are known to have it on disk`,
    ...(write.record === undefined ? {} : receiptVersion(write.record)),
    attempts: write.attempts,
    ms: receiptMs(write.ms),
    ...(state === "failed" ? whereItMayBe(write) : {}),
    owners: owners.map((owner, i) => ownerReceipt(write, owner, i, fsynced)),
  };
}

/** Owners that may have the value; of earlier attempts, with another version, nobody knows. */
function whereItMayBe(
  { set: { owners }, attempts, answers }: WriteFacts,
): Pick<Receipt, "indeterminate" | "mayBeOn"> {
  const mayBeOn = attempts === 0
    ? []
    : owners.filter((_, i) => attempts > 1 || mayHaveStored(answers[i])).map(({ name }) => name);
  return { indeterminate: mayBeOn.length > 0, mayBeOn };
}

function ownerReceipt(write: WriteFacts, owner: Owner, i: number, fsynced: boolean): OwnerReceipt {
  const answer = write.answers[i];
  const ms = write.answeredMs?.[i];
  return {
    name: owner.name,
    outcome: typeof answer === "object" ? "superseded" : answer ?? "pending",
    ...receiptVersion(heldVersion(answer, write.record)),
    ...(ms === undefined ? {} : { ms: receiptMs(ms) }),
    countsForQuorum: owner.countsForWrites,
    ...(answer === "stored" ? { fsynced } : {}),
    ...(write.hinted?.[i] ? { hinted: true } : {}),
  };
}

function mayHaveStored(answer: WriteAnswer | undefined): boolean {
  return answer === undefined || answer === "stored" || answer === "timeout";
}

/** The version that an owner is known to hold by its answer. */
function heldVersion(
  answer: WriteAnswer | undefined,
  sent: StoredRecord | undefined,
): Version | undefined {
  if (answer === "stored") return sent;
  return typeof answer === "object" && "nodeID" in answer ? answer : undefined;
}

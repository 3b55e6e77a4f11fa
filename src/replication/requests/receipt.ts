/** Receipts: what was done for a request, as JSON for `?explain=1` and for problem documents. */
import type { Key } from "../../record/key.ts";
import { keyToJson } from "../../record/key.ts";
import { formatVersion, type Version } from "../../record/version.ts";
import { formatToken, tokenOf } from "../../ring/token.ts";

/** What one owner did. */
export interface OwnerReceipt {
  name: string;
  outcome: string;
  version?: string;
  /** Milliseconds from the start of the request to the answer. */
  ms?: number;
  countsForQuorum: boolean;
  /** The answer came after fsync (writes that were stored). */
  fsynced?: boolean;
  /** Where it found its copy: `memtable` or the name of a table. */
  from?: string;
  repaired?: boolean;
  hinted?: boolean;
}

/** What was done for a request. */
export interface Receipt {
  operation: "put" | "get" | "delete";
  key: ReturnType<typeof keyToJson>;
  token: string;
  coordinator: string;
  quorums: { n: number; r: number; w: number };
  /**
   * Whether promises 2 and 3 apply: 2 W > N held for a write; R + W > N and 2 R > N for a read, which
   * might go back else between values of which none was acknowledged yet.
   */
  strict: boolean;
  required: number;
  result: string;
  why: string;
  version?: string;
  attempts?: number;
  ms: number;
  /** Whether the value may be stored although the request failed, and on which owners. */
  indeterminate?: boolean;
  mayBeOn?: string[];
  owners: OwnerReceipt[];
}

/** The parts of a receipt that any request has. */
export function receiptHead(
  operation: Receipt["operation"],
  key: Key,
): Pick<Receipt, "operation" | "key" | "token"> {
  return { operation, key: keyToJson(key), token: formatToken(tokenOf(key)) };
}

/** Milliseconds to the microsecond: what is behind that is noise of the clock's arithmetic. */
export function receiptMs(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/** `{ version }`, or nothing where there is none. */
export function receiptVersion(version: Version | undefined): { version?: string } {
  return version === undefined ? {} : { version: formatVersion(version) };
}

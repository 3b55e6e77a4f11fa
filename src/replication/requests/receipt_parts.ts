/** What the receipts of reads and writes have in common. */
import { type Key, keyToJson } from "../../record/key.ts";
import { formatVersion, type Version } from "../../record/version.ts";
import { formatToken, tokenOf } from "../../ring/token.ts";
import type { Receipt } from "./receipt.ts";

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

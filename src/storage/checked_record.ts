/** Lines of which everything is checked, and not only what a reader needs. */
import { recordFromLine } from "../record/record_line.ts";
import { lineKey, type LineRecord, lineRecord } from "./line_record.ts";

/** The record of the line [start, end) with all that it says checked, or an erase marker. @throws */
export function checkedRecord(bytes: Uint8Array, start: number, end: number): LineRecord {
  const record = lineRecord(lineKey(bytes, start, end), bytes, start, end);
  if (!record.erase) recordFromLine(record.line);
  return record;
}

/** Names of the files in a data directory. */

export const MANIFEST_NAME = "manifest.jsonl";
export const LOCK_NAME = "lock";
/** Zeros that give way to what a start on a full disk has to write. */
export const RESERVE_NAME = "reserve";
/** Where damaged files are put, inside the data directory. */
export const DAMAGED_NAME = "damaged";
/** Ending of a file that is not finished; removed when found at the start. */
export const TEMPORARY_SUFFIX = ".tmp";

const NUMBERED = /^(\d{6,15})\.(log|sst)$/;

/** `000012.log` */
export function logName(number: number): string {
  return `${digits(number)}.log`;
}

/** `000012.sst` */
export function tableName(number: number): string {
  return `${digits(number)}.sst`;
}

/** What a file's name says, or undefined when it is neither a log segment nor a table. */
export function parseName(name: string): { kind: "log" | "sst"; number: number } | undefined {
  const match = NUMBERED.exec(name);
  if (match === null) return undefined;
  const number = Number(match[1]);
  const kind = match[2] as "log" | "sst";
  return digits(number) === match[1] ? { kind, number } : undefined;
}

function digits(number: number): string {
  return String(number).padStart(6, "0");
}

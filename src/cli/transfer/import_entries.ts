/** From the records of a file to the keys and values that are put. */
import { CommandError } from "../output/command_error.ts";

/** One put. */
export interface ImportEntry {
  key: string | Uint8Array;
  bytes: Uint8Array;
  contentType?: string;
  /** When the value is gone, in milliseconds since 1970; default: never. */
  expiresAtMs?: number;
}

/** Where a record stands, and how its key is found. */
export interface EntryContext {
  /** For errors: `line 3` or `record 3`. */
  where: string;
  /** Member that holds the key; undefined = the record is what `converge export` writes. */
  keyField: string | undefined;
}

const encoder = new TextEncoder();

/**
 * The put for a JSON line.
 *
 * With a key field the value is the line, byte for byte; without one the line must be what
 * `converge export` writes: `k` or `kb` (base64) the key, `v` or `b` (base64) the value, `t` its type, `x`
 * when it is gone.
 *
 * @throws {CommandError} When the line is no JSON or has no key.
 */
export function entryOfLine(line: Uint8Array, context: EntryContext): ImportEntry {
  let record: unknown;
  try {
    record = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
  } catch (cause) {
    throw new CommandError(`Cannot import ${context.where}: it is not JSON`, { cause });
  }
  if (context.keyField === undefined) return exportedEntry(record, context);
  return { key: keyOf(record, context), bytes: line, contentType: "application/json" };
}

/** The put for a record of a JSON file: its value is the record as compact JSON. */
export function entryOfRecord(record: unknown, context: EntryContext): ImportEntry {
  if (context.keyField === undefined) return exportedEntry(record, context);
  return jsonEntry(keyOf(record, context), record);
}

/** A put of a value that is JSON. */
export function jsonEntry(key: string, value: unknown): ImportEntry {
  return { key, bytes: encoder.encode(JSON.stringify(value)), contentType: "application/json" };
}

function exportedEntry(record: unknown, { where }: EntryContext): ImportEntry {
  const { k, kb, v, b, t, x } = (record ?? {}) as Record<string, unknown>;
  if (typeof v === "string" && !v.isWellFormed()) {
    throw new CommandError(`Cannot import ${where}: half of a surrogate pair in "v" has no UTF-8`);
  }
  const key = typeof k === "string" ? k : bytesOf(kb, where);
  const bytes = typeof v === "string" ? encoder.encode(v) : bytesOf(b, where);
  if (key === undefined || bytes === undefined) {
    throw new CommandError(
      `Cannot import ${where}: it has no "k" and "v"; name the member that holds the key with ` +
        `--key-field`,
    );
  }
  if (x !== undefined && !Number.isSafeInteger(x)) {
    throw new CommandError(`Cannot import ${where}: its "x" is no time in milliseconds`);
  }
  return {
    key,
    bytes,
    ...(typeof t === "string" ? { contentType: t } : {}),
    ...(x === undefined ? {} : { expiresAtMs: x as number }),
  };
}

function bytesOf(base64: unknown, where: string): Uint8Array | undefined {
  if (typeof base64 !== "string") return undefined;
  try {
    return Uint8Array.fromBase64(base64);
  } catch (cause) {
    throw new CommandError(`Cannot import ${where}: its base64 is malformed`, { cause });
  }
}

/** The member of that very name, else the one that a dotted path (`name.common`) leads to. */
function keyOf(record: unknown, { where, keyField = "" }: EntryContext): string {
  let value = memberOf(record, keyField);
  if (value === undefined) value = keyField.split(".").reduce<unknown>(memberOf, record);
  if (typeof value === "string" && value !== "") return value;
  if (typeof value === "number") return digitsOf(value, where);
  if (typeof value === "boolean") return String(value);
  throw new CommandError(
    `Cannot import ${where}: its ${JSON.stringify(keyField)} is ${
      JSON.stringify(value) ?? "absent"
    }`,
  );
}

/** Several large numbers are read as one: the records of the others would be lost. */
function digitsOf(value: number, where: string): string {
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return String(value);
  throw new CommandError(
    `Cannot import ${where}: its key is a number over ${Number.MAX_SAFE_INTEGER}, which is not exact; ` +
      `write it as text`,
  );
}

function memberOf(record: unknown, name: string): unknown {
  return typeof record === "object" && record !== null && Object.hasOwn(record, name)
    ? (record as Record<string, unknown>)[name]
    : undefined;
}

/** Reads what is to be imported: a file or standard input, as JSON lines or as one JSON text. */
import { joinBytes } from "../../record/join_bytes.ts";
import { CommandError } from "../output/command_error.ts";
import { systemWords } from "../output/terminal.ts";
import {
  type EntryContext,
  entryOfLine,
  entryOfRecord,
  type ImportEntry,
  jsonEntry,
} from "./import_entries.ts";

/** The formats of `converge import`. */
export const IMPORT_FORMATS = ["json-lines", "json"] as const;
/** One of {@linkcode IMPORT_FORMATS}. */
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** A longer line is no record: the largest value a node takes is 64 MiB. */
const LINE_BYTES_MAX = 128 * 1024 * 1024;
const LF = 10;
const CR = 13;
/** The byte order mark in UTF-8. */
const MARK = [0xef, 0xbb, 0xbf];

type Chunks = AsyncIterable<Uint8Array<ArrayBuffer>>;

/** An opened source. */
export interface ImportSource {
  /** Bytes of the whole, where that is known. */
  readonly totalBytes: number | undefined;
  /** Bytes read so far. */
  readBytes(): number;
  /** The puts, in the order of the file. @throws {CommandError} for what is malformed. */
  entries(): AsyncGenerator<ImportEntry>;
}

/**
 * Opens `path`, or standard input for `-`.
 *
 * @throws {CommandError} When there is no such file, or it may not be read.
 */
export async function openImport(
  path: string,
  options: { format: ImportFormat; keyField: string | undefined },
): Promise<ImportSource> {
  const { stream, totalBytes } = await open(path);
  let readBytes = 0;
  const chunks = async function* () {
    try {
      for await (const chunk of stream) {
        readBytes += chunk.byteLength;
        yield chunk;
      }
    } catch (cause) {
      throw unreadable(path, cause);
    }
  };
  return {
    totalBytes,
    readBytes: () => readBytes,
    entries: () =>
      options.format === "json"
        ? entriesOfJson(chunks(), options.keyField)
        : entriesOfLines(chunks(), options.keyField),
  };
}

async function open(path: string): Promise<{
  stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  totalBytes: number | undefined;
}> {
  if (path === "-") return { stream: Deno.stdin.readable, totalBytes: undefined };
  try {
    const file = await Deno.open(path);
    return { stream: file.readable, totalBytes: (await file.stat()).size };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      throw new CommandError(
        `Cannot read ${path}: this program may only read ./data; pipe the file in: ` +
          `converge import - < ${path}`,
        { cause },
      );
    }
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): CommandError {
  const isAbsent = cause instanceof Deno.errors.NotFound;
  const reason = isAbsent ? "there is no such file" : systemWords(cause);
  return new CommandError(`Cannot read ${path}: ${reason}`, { cause });
}

async function* entriesOfLines(
  chunks: Chunks,
  keyField: string | undefined,
): AsyncGenerator<ImportEntry> {
  let number = 0;
  for await (const line of linesOf(chunks)) {
    number += 1;
    const context: EntryContext = { where: `line ${number}`, keyField };
    const record = number === 1 ? withoutMark(line) : line;
    if (record.byteLength > 0) yield entryOfLine(record, context);
  }
}

/** Some editors mark a file as UTF-8 by its first bytes, which are no JSON: a value must not have them. */
function withoutMark(line: Uint8Array): Uint8Array {
  return MARK.every((byte, i) => line[i] === byte) ? line.subarray(MARK.length) : line;
}

/**
 * The lines of chunks without their line ends, in fresh arrays.
 *
 * @param bytesMax Of one line, with its line end.
 * @throws {CommandError} When a line is longer.
 */
export async function* linesOf(
  chunks: Chunks,
  bytesMax: number = LINE_BYTES_MAX,
): AsyncGenerator<Uint8Array> {
  let begun: Uint8Array[] = [];
  let begunBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let feed = chunk.indexOf(LF); feed >= 0; feed = chunk.indexOf(LF, start)) {
      yield joinLine([...begun, chunk.subarray(start, feed)]);
      begun = [];
      begunBytes = 0;
      start = feed + 1;
    }
    if (start < chunk.byteLength) begun.push(chunk.slice(start));
    begunBytes += chunk.byteLength - start;
    if (begunBytes > bytesMax) {
      throw new CommandError(`Cannot import a line over ${bytesMax} bytes`);
    }
  }
  if (begunBytes > 0) yield joinLine(begun);
}

function joinLine(parts: readonly Uint8Array[]): Uint8Array {
  const line = joinBytes(parts);
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}

/** An array of records, or an object whose members are keys with their values. */
async function* entriesOfJson(
  chunks: Chunks,
  keyField: string | undefined,
): AsyncGenerator<ImportEntry> {
  let whole: unknown;
  try {
    whole = await new Response(ReadableStream.from(chunks)).json();
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError("Cannot import the file: it is not one JSON text", { cause });
  }
  if (Array.isArray(whole)) {
    for (const [index, record] of whole.entries()) {
      yield entryOfRecord(record, { where: `record ${index + 1}`, keyField });
    }
  } else if (typeof whole === "object" && whole !== null) {
    for (const [key, value] of Object.entries(whole)) yield jsonEntry(key, value);
  } else {
    throw new CommandError("Cannot import the file: it is neither an array nor an object");
  }
}

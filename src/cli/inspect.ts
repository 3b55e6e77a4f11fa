/** `converge inspect FILE [--json]`: what a log segment, a table or a manifest holds. */
import { ConvergeError } from "../errors.ts";
import type { Disk } from "../platform/disk.ts";
import { keyToText } from "../record/key.ts";
import { readWhole } from "../storage/file_bytes.ts";
import { checkTable } from "../storage/table_check.ts";
import { MANIFEST_NAME } from "../storage/file_names.ts";
import { decodeManifest } from "../storage/manifest.ts";
import { FOOTER_BYTES, parseFooter, parseTail } from "../storage/sstable_format.ts";
import { mutationAt } from "../storage/wal_format.ts";
import { readSegment, withoutRoom } from "../storage/wal_reader.ts";

/** What to look at and how to tell. */
export interface InspectOptions {
  disk: Disk;
  file: string;
  json?: boolean;
  print: (line: string) => void;
}

/**
 * Prints the facts of one file.
 *
 * @returns The exit code: 0, or 1 when the file is damaged.
 * @throws {ConvergeError} `bad_request` for a file of another kind, or none; `corrupt_file` when
 * nothing of it can be told.
 */
export function runInspect({ disk, file, json = false, print }: InspectOptions): number {
  const factsOf = READERS.find(([ending]) => file.endsWith(ending))?.[1];
  if (factsOf === undefined) {
    throw new ConvergeError(
      "bad_request",
      `Cannot inspect ${file}: it must be a *.sst, a *.log or ${MANIFEST_NAME}`,
    );
  }
  if (disk.fileSize(file) === undefined) {
    throw new ConvergeError("bad_request", `Cannot inspect ${file}: there is no such file`);
  }
  const bytes = readWhole(disk, file);
  const facts = factsOf(bytes, file);
  if (json) print(JSON.stringify({ file, bytes: bytes.byteLength, ...facts }));
  else {
    print(`${file}: ${bytes.byteLength} bytes`);
    const { index, ...short } = facts;
    for (const [name, value] of Object.entries(short)) {
      print(`  ${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`);
    }
    // One line per block, and last: there are many.
    if (index !== undefined) print("  index:");
    for (const { first, at, bytes } of index ?? []) {
      print(`    at ${at}, ${bytes} bytes, from ${JSON.stringify(first)}`);
    }
  }
  return facts.damage === undefined ? 0 : 1;
}

/** What reads a file, by how its name ends. */
const READERS: readonly (readonly [string, (bytes: Uint8Array, file: string) => Facts])[] = [
  [".sst", tableFacts],
  [".log", logFacts],
  [MANIFEST_NAME, manifestFacts],
];

type Facts = Record<string, unknown> & { damage?: unknown; index?: readonly IndexedBlock[] };

/** A block as the index has it. */
interface IndexedBlock {
  /** Its first key, for people. */
  first: string;
  at: number;
  bytes: number;
}

function tableFacts(bytes: Uint8Array, file: string): Facts {
  const footerAt = Math.max(0, bytes.byteLength - FOOTER_BYTES);
  const footer = parseFooter(bytes.subarray(footerAt));
  const { index, properties } = parseTail(bytes.subarray(footer.index, footerAt), footer);
  const { first, last, ...counts } = properties;
  const findings = checkTable(bytes, file);
  return {
    kind: "table",
    ...counts,
    first: readable(first),
    last: readable(last),
    blocks: index.firstKeys.length,
    dataBytes: footer.index,
    indexBytes: footer.filter - footer.index,
    filterBytes: index.filter.byteLength,
    footer,
    index: index.firstKeys.map((key, i) => ({
      first: readable(key),
      at: index.offsets[i]!,
      bytes: index.offsets[i + 1]! - index.offsets[i]!,
    })),
    ...(findings.length > 0 ? { damage: findings } : {}),
  };
}

function logFacts(segment: Uint8Array, file: string): Facts {
  const bytes = withoutRoom(segment);
  const lines: Record<string, number> = {};
  const { header, validBytes, damage } = readSegment(bytes, (start, end) => {
    const keyspace = mutationAt(bytes, start, end).keyspace || "data";
    lines[keyspace] = (lines[keyspace] ?? 0) + 1;
  });
  if (header === undefined && bytes.byteLength > 0) {
    throw new ConvergeError("corrupt_file", `Cannot inspect ${file}: it does not begin as a log`);
  }
  return {
    kind: "log",
    header: header ?? null, // made, and not written yet
    lines,
    validBytes,
    tornBytes: bytes.byteLength - validBytes,
    roomBytes: segment.byteLength - bytes.byteLength,
    ...(damage === undefined ? {} : { damage }),
  };
}

function manifestFacts(bytes: Uint8Array): Facts {
  const { tables, ...head } = decodeManifest(bytes);
  return {
    kind: "manifest",
    ...head,
    tables: tables.map(({ number, run, bytes, properties: { keyspace, records } }) => ({
      number,
      run,
      keyspace,
      bytes,
      records,
    })),
  };
}

/** A key for people: its text, or its bytes in hexadecimal. */
function readable(key: string): string {
  return keyToText(key) ??
    "0x" + [...key].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

/** Checks one table: every checksum, and that its lines, index, filter and properties fit each other. */
import { crc32 } from "node:zlib";
import type { Key } from "../record/key.ts";
import { hashKey, mayContain } from "./bloom_filter.ts";
import { checkedRecord } from "./checked_record.ts";
import { type Finding, messageOf } from "./finding.ts";
import { LineFeeds } from "./line_feeds.ts";
import { isSameTable, parseTable, type TableIdentity } from "./sstable_format.ts";

/** What is wrong with a table's bytes; `known` is what the manifest says about it. */
export function checkTable(bytes: Uint8Array, file: string, known?: TableIdentity): Finding[] {
  let table: ParsedTable;
  try {
    table = parseTable(bytes);
  } catch (error) {
    return [{ severity: "damage", file, problem: messageOf(error) }];
  }
  const check = new TableCheck(bytes, file, table);
  check.blocks();
  check.properties();
  if (known !== undefined && !isSameTable(table, known)) {
    check.damage("it is not the table that the manifest names");
  }
  return check.findings;
}

type ParsedTable = ReturnType<typeof parseTable>;

/** The check of one table whose index can be read. */
class TableCheck {
  readonly findings: Finding[] = [];
  readonly #bytes: Uint8Array;
  readonly #feeds: LineFeeds;
  readonly #file: string;
  readonly #table: ParsedTable;
  readonly #seen = { records: 0, tombstones: 0, erases: 0, maxCounter: 0 };
  /** Undefined at the beginning, and behind a block that cannot be read. */
  #previous: Key | undefined;

  constructor(bytes: Uint8Array, file: string, table: ParsedTable) {
    this.#bytes = bytes;
    this.#feeds = new LineFeeds(bytes);
    this.#file = file;
    this.#table = table;
  }

  damage(problem: string, offset?: number): void {
    const where = offset === undefined ? {} : { offset };
    this.findings.push({ severity: "damage", file: this.#file, problem, ...where });
  }

  blocks(): void {
    const { index } = this.#table;
    for (let block = 0; block < index.firstKeys.length; block++) {
      const from = index.offsets[block]!;
      const to = index.offsets[block + 1]!;
      if (crc32(this.#bytes.subarray(from, to)) !== index.crcs[block]) {
        this.damage("a block's checksum does not hold", from);
        this.#previous = undefined;
      } else this.#lines(from, to, index.firstKeys[block]!);
    }
  }

  /** All lines of a block, which begin at `from` and end before `to`. */
  #lines(from: number, to: number, firstKey: Key): void {
    for (let start = from; start < to;) {
      const end = this.#feeds.lineEnd(start);
      try {
        const key = this.#line(start, end);
        if (start === from && key !== firstKey) this.damage("the index is wrong", start);
      } catch (error) {
        this.damage(messageOf(error), start);
      }
      start = end + 1;
    }
  }

  /** @returns Its key. @throws What is wrong with the line by itself. */
  #line(start: number, end: number): Key {
    const { key, counter, tombstone, erase } = checkedRecord(this.#bytes, start, end);
    if (this.#previous !== undefined && key <= this.#previous) {
      this.damage("keys are out of order", start);
    }
    if (!mayContain(this.#table.index.filter, hashKey(key))) {
      this.damage("the filter misses a key", start);
    }
    this.#previous = key;
    this.#seen.records++;
    if (tombstone) this.#seen.tombstones++;
    if (erase) this.#seen.erases++;
    this.#seen.maxCounter = Math.max(this.#seen.maxCounter, counter);
    return key;
  }

  /** Whether the properties fit the lines; only where all of these could be read. */
  properties(): void {
    if (this.findings.length > 0) return;
    const { records, tombstones, erases, maxCounter, last } = this.#table.properties;
    const told = { records, tombstones, erases, maxCounter };
    if (JSON.stringify(this.#seen) !== JSON.stringify(told)) {
      this.damage("its properties do not fit its lines");
    }
    if (this.#previous !== last) this.damage("its last key is wrong");
  }
}

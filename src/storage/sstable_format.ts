/**
 * A sorted table on disk: JSON lines throughout. Grammar and a worked example: `docs/formats.md`.
 *
 *     table      = block* index* filter properties footer
 *     block      = line+                            sorted record lines, about 2 KiB, or 8 times a long key
 *     index      = {"index":key,"at":n,"bytes":n,"crc":hex}      first key, place, CRC-32 of a block
 *     filter     = {"filter":base64,"probes":7}
 *     properties = {"table":{...}}
 *     footer     = {...} padded with spaces to FOOTER_BYTES
 *
 * Every byte is under a checksum: blocks in their index lines, index to properties in the footer's
 * `tail`, the footer in its own `crc`, and its padding by being rendered only one way.
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { ConvergeError } from "../errors.ts";
import { type Key, keyFromJson, keyToJson } from "../record/key.ts";
import { PROBES } from "./bloom_filter.ts";
import { type IndexLines, parseIndexLines } from "./index_lines.ts";
import { KeySearch } from "./key_search.ts";
import { unknownFormat } from "./unknown_format.ts";
import { hex } from "./wal_format.ts";

export const TABLE_FORMAT = 1;
export const BLOCK_BYTES = 2048;
export const FOOTER_BYTES = 192;

/** Of every format, those to come too: so that one is told from damage. */
const FOOTER = /^(\{"converge":"sstable","format":.*),"crc":"([0-9a-f]{8})"\} *\n$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What is known of a table without reading its blocks. */
export interface TableProperties {
  keyspace: string;
  /** Lines in it, tombstones and erase markers included. */
  records: number;
  tombstones: number;
  erases: number;
  first: Key;
  last: Key;
  /** No line of the table has a higher counter. */
  maxCounter: number;
}

/** What tells a table from others: its file says nothing of the number that it has. */
export interface TableIdentity {
  properties: TableProperties;
  /**
   * {@linkcode Footer.tail}, which covers the checksums of all blocks; undefined where a manifest
   * of before does not have it.
   */
  tail: number | undefined;
}

/** The sparse index and the filter of a table, as kept in memory. */
export interface TableIndex extends IndexLines {
  /** Over the first keys. */
  readonly search: KeySearch;
  readonly filter: Uint8Array;
}

/** Where the parts of a table lie: offsets. */
export interface Footer {
  index: number;
  filter: number;
  properties: number;
  /** CRC-32 of all from `index` to the footer. */
  tail: number;
}

export function filterLine(bits: Uint8Array): string {
  const base64 = Buffer.from(bits.buffer, bits.byteOffset, bits.byteLength).toString("base64");
  return `{"filter":"${base64}","probes":${PROBES}}\n`;
}

export function propertiesLine(properties: TableProperties): string {
  return `{"table":${JSON.stringify(propertiesToJson(properties))}}\n`;
}

/** Properties with their keys in JSON form. */
export function propertiesToJson(properties: TableProperties): Record<string, unknown> {
  const { first, last, ...rest } = properties;
  return { ...rest, first: keyToJson(first), last: keyToJson(last) };
}

/** What {@linkcode propertiesToJson} made, checked; undefined when it is not that. */
export function propertiesFromJson(json: unknown): TableProperties | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const { keyspace, records, tombstones, erases, first, last, maxCounter } = json as Record<
    string,
    unknown
  >;
  const firstKey = keyFromJson(first as object ?? {});
  const lastKey = keyFromJson(last as object ?? {});
  const counts = [records, tombstones, erases, maxCounter];
  if (typeof keyspace !== "string" || firstKey === undefined || lastKey === undefined) {
    return undefined;
  }
  if (!counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0)) {
    return undefined;
  }
  return {
    keyspace,
    records: records as number,
    tombstones: tombstones as number,
    erases: erases as number,
    first: firstKey,
    last: lastKey,
    maxCounter: maxCounter as number,
  };
}

/** Whether a file is that of the table that a manifest names, as far as that tells. */
export function isSameTable(own: TableIdentity, known: TableIdentity): boolean {
  if (own.tail !== known.tail && known.tail !== undefined) return false;
  const a = own.properties;
  const b = known.properties;
  return a.keyspace === b.keyspace && a.first === b.first && a.last === b.last &&
    a.records === b.records && a.tombstones === b.tombstones && a.erases === b.erases &&
    a.maxCounter === b.maxCounter;
}

export function footerLine({ index, filter, properties, tail }: Footer): Uint8Array {
  const checked = `{"converge":"sstable","format":${TABLE_FORMAT},"index":${index},` +
    `"filter":${filter},"properties":${properties},"tail":"${hex(tail)}"`;
  const text = `${checked},"crc":"${hex(crc32(checked))}"}`;
  return encoder.encode(text.padEnd(FOOTER_BYTES - 1) + "\n");
}

/** @throws {ConvergeError} `corrupt_file`; `wrong_data` for an unknown format. */
export function parseFooter(bytes: Uint8Array): Footer {
  const json = footerJson(bytes);
  if (json === undefined) throw footerDamaged();
  if (json.format !== TABLE_FORMAT) throw unknownFormat("a table", json.format, TABLE_FORMAT);
  const footer: Footer = {
    index: Number(json.index),
    filter: Number(json.filter),
    properties: Number(json.properties),
    tail: parseInt(String(json.tail), 16),
  };
  const rendered = footerLine(footer);
  if (
    rendered.byteLength !== bytes.byteLength || !rendered.every((byte, i) => byte === bytes[i]) ||
    !(footer.index <= footer.filter && footer.filter < footer.properties)
  ) {
    throw footerDamaged();
  }
  return footer;
}

/** The format that a footer names; undefined for one that is damaged. */
export function formatOf(footer: Uint8Array): unknown {
  return footerJson(footer)?.format;
}

/** Index and filter and properties from the bytes between the blocks and the footer. */
export function parseTail(
  tail: Uint8Array,
  footer: Footer,
): { index: TableIndex; properties: TableProperties } {
  if (crc32(tail) !== footer.tail) {
    throw new ConvergeError("corrupt_file", "Cannot read a table: its index does not hold");
  }
  const lines = parseIndexLines(tail.subarray(0, footer.filter - footer.index));
  const filterText = decoder.decode(
    tail.subarray(footer.filter - footer.index, footer.properties - footer.index),
  );
  const propertiesText = decoder.decode(tail.subarray(footer.properties - footer.index));
  const properties = propertiesFromJson(JSON.parse(propertiesText).table);
  if (properties === undefined || lines.offsets.at(-1) !== footer.index) {
    throw new ConvergeError("corrupt_file", "Cannot read a table: its properties are wrong");
  }
  const filter = new Uint8Array(Buffer.from(JSON.parse(filterText).filter, "base64"));
  const search = new KeySearch(lines.firstKeys);
  return { index: { ...lines, search, filter }, properties };
}

/** All but the lines from all bytes of a table. @throws as `parseFooter` and `parseTail`. */
export function parseTable(bytes: Uint8Array): TableIdentity & { index: TableIndex } {
  const footerAt = Math.max(0, bytes.byteLength - FOOTER_BYTES);
  const footer = parseFooter(bytes.subarray(footerAt));
  return { tail: footer.tail, ...parseTail(bytes.subarray(footer.index, footerAt), footer) };
}

/** What a footer says, of whatever format, where its own checksum holds. */
function footerJson(bytes: Uint8Array): Record<string, unknown> | undefined {
  const match = FOOTER.exec(decoder.decode(bytes));
  return match?.[2] === hex(crc32(match?.[1] ?? "")) ? JSON.parse(match[0]) : undefined;
}

function footerDamaged(): ConvergeError {
  return new ConvergeError("corrupt_file", "Cannot read a table: its footer does not hold");
}

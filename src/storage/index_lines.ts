/**
 * The index lines of a table: `{"index":key,"at":n,"bytes":n,"crc":hex}`, first key, place and CRC-32 of
 * a block. A table of 16 MiB has eight thousand, which are read in one go when it is first looked into:
 * so those with a key that is plain text, as most have, are read byte by byte, without JSON's objects.
 */
import { ConvergeError } from "../errors.ts";
import { readHex } from "../record/frame.ts";
import { type Key, keyFromJson, keyToJson } from "../record/key.ts";
import { latin1 } from "../record/latin1.ts";
import { KEY_OFFSET, lineEnd, textKeyEnd } from "./line_record.ts";
import { hex } from "./wal_format.ts";

const decoder = new TextDecoder();

/** One line as JSON. */
export interface IndexEntry {
  index: { k?: string; kb?: string };
  at: number;
  bytes: number;
  crc: string;
}

/** What the lines of an index say. */
export interface IndexLines {
  readonly firstKeys: readonly Key[];
  /** Offset of each block, and of the end of the last. */
  readonly offsets: Float64Array;
  /** CRC-32 of each block. */
  readonly crcs: Uint32Array;
}

export function indexLine(key: Key, at: number, bytes: number, crc: number): string {
  return `{"index":${JSON.stringify(keyToJson(key))},"at":${at},"bytes":${bytes},"crc":"${
    hex(crc)
  }"}\n`;
}

/** @throws {ConvergeError} `corrupt_file` when a block does not begin where the one before it ends. */
export function parseIndexLines(lines: Uint8Array): IndexLines {
  const firstKeys: Key[] = [];
  const offsets: number[] = [];
  const crcs: number[] = [];
  const line = new LineParser(lines);
  let end = 0;
  while (line.start < lines.byteLength) {
    if (!line.readPlain()) line.readJson();
    if (line.at !== end) {
      throw new ConvergeError("corrupt_file", "Cannot read a table: its index has a gap");
    }
    firstKeys.push(line.key);
    offsets.push(line.at);
    crcs.push(line.crc);
    end += line.blockBytes;
  }
  offsets.push(end);
  return { firstKeys, offsets: new Float64Array(offsets), crcs: new Uint32Array(crcs) };
}

/** Reads line after line. */
class LineParser {
  /** Where the next line starts. */
  start = 0;
  key: Key = "";
  at = 0;
  blockBytes = 0;
  crc = 0;
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Reads a line of the usual shape; false, and it is still to be read, when it has another. */
  readPlain(): boolean {
    const bytes = this.#bytes;
    this.#position = this.start;
    if (!this.#skip(`{"index":`)) return false;
    const keyStart = this.#position + KEY_OFFSET;
    const keyEnd = textKeyEnd(bytes, this.#position, bytes.byteLength);
    if (keyEnd < 0) return false;
    this.#position = keyEnd;
    if (!this.#skip(`"},"at":`)) return false;
    this.at = this.#number();
    if (!this.#skip(`,"bytes":`)) return false;
    this.blockBytes = this.#number();
    if (!this.#skip(`,"crc":"`)) return false;
    this.crc = readHex(bytes, this.#position);
    this.#position += 8;
    if (!this.#skip(`"}\n`) || Number.isNaN(this.crc)) return false;
    this.key = latin1(bytes, keyStart, keyEnd);
    this.start = this.#position;
    return true;
  }

  /** @throws when the line is no JSON, or has no key. */
  readJson(): void {
    const end = lineEnd(this.#bytes, this.start);
    const json: IndexEntry = JSON.parse(decoder.decode(this.#bytes.subarray(this.start, end)));
    const key = keyFromJson(json.index);
    if (key === undefined) {
      throw new ConvergeError("corrupt_file", "Cannot read a table: its index has no key");
    }
    this.key = key;
    this.at = json.at;
    this.blockBytes = json.bytes;
    this.crc = parseInt(json.crc, 16);
    this.start = end + 1;
  }

  #skip(text: string): boolean {
    for (let i = 0; i < text.length; i++) {
      if (this.#bytes[this.#position++] !== text.charCodeAt(i)) return false;
    }
    return true;
  }

  #number(): number {
    let number = 0;
    for (let digit; (digit = this.#bytes[this.#position]! - 48) >= 0 && digit <= 9;) {
      number = number * 10 + digit;
      this.#position++;
    }
    return number;
  }
}

/**
 * Frames: a JSON text behind its CRC-32, on one line. What the log, batches between nodes and tables
 * (without the checksum) are made of.
 *
 *     frame = crc-32 SP json LF           crc-32 = 8 lower-case hex digits, over the bytes of json
 */
import { crc32 } from "node:zlib";
import { ConvergeError } from "../errors.ts";
import { joinBytes } from "./join_bytes.ts";
import type { StoredRecord } from "./record.ts";

/** Bytes of a frame before its JSON: eight hex digits and a space. */
export const FRAME_HEADER_BYTES = 9;

const LF = 10;
const SPACE = 32;
const SLAB_BYTES = 64 * 1024;
/** Larger frames get a buffer of their own. */
const SLAB_FRAME_BYTES_MAX = SLAB_BYTES / 8;

/** A frame that fills its buffer less is moved to one of its own size. */
const FILLED_SHARE_MIN = 0.95;

const encoder = new TextEncoder();
const HEX_DIGITS = encoder.encode("0123456789abcdef");

/** Small frames are cut from shared slabs: one allocation for some hundred records. */
let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

/** Puts a checksum before a JSON text (of any kind, without line feeds). */
export function frameOf(json: string): Uint8Array {
  const lengthMax = FRAME_HEADER_BYTES + json.length * 3 + 1;
  return layFrame(lengthMax, (target, start) => {
    return start + encoder.encodeInto(json, target.subarray(start)).written;
  });
}

/**
 * Makes a frame of at most `lengthMax` bytes. `lay` writes the JSON into the target from `start` on and
 * returns where it ends.
 */
export function layFrame(
  lengthMax: number,
  lay: (target: Uint8Array, start: number) => number,
): Uint8Array {
  if (lengthMax > SLAB_FRAME_BYTES_MAX) {
    const target = new Uint8Array(lengthMax);
    const frame = sealed(target, 0, lay(target, FRAME_HEADER_BYTES));
    // That was for the worst case, and a record may stay in memory for long.
    return frame.byteLength < lengthMax * FILLED_SHARE_MIN ? frame.slice() : frame;
  }
  if (slabUsed + lengthMax > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const start = slabUsed;
  const end = lay(slab, start + FRAME_HEADER_BYTES);
  slabUsed = end + 1;
  return sealed(slab, start, end);
}

/** Puts checksum and line feed around the JSON that ends at `end`; the frame begins at `start`. */
function sealed(target: Uint8Array, start: number, end: number): Uint8Array {
  writeHex(target, crc32(target.subarray(start + FRAME_HEADER_BYTES, end)), start);
  target[start + FRAME_HEADER_BYTES - 1] = SPACE;
  target[end] = LF;
  return target.subarray(start, end + 1);
}

/** The JSON line of a frame, without checksum and line feed. */
export function lineOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(FRAME_HEADER_BYTES, frame.byteLength - 1);
}

/** The frame of a line that is already encoded, in a fresh array. */
export function frameAround(line: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + line.byteLength + 1);
  frame.set(line, FRAME_HEADER_BYTES);
  writeHex(frame, crc32(line));
  frame[FRAME_HEADER_BYTES - 1] = SPACE;
  frame[frame.byteLength - 1] = LF;
  return frame;
}

/** The frames of records as the body of one batch. */
export function joinFrames(records: readonly StoredRecord[]): Uint8Array<ArrayBuffer> {
  return joinBytes(records.map(({ frame }) => frame));
}

/** Cuts records into batches of at most so many bytes of frames; a longer one is alone in its batch. */
export function* batchesOf(
  records: readonly StoredRecord[],
  bytesMax: number,
): Iterable<StoredRecord[]> {
  let batch: StoredRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    if (batch.length > 0 && bytes + record.frame.byteLength > bytesMax) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += record.frame.byteLength;
  }
  if (batch.length > 0) yield batch;
}

/**
 * The JSON of the frame that begins at `start` and ends with the line feed at `end - 1`.
 *
 * @throws {ConvergeError} `corrupt_message` when its checksum does not hold.
 */
export function checkedJson(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const json = bytes.subarray(start + FRAME_HEADER_BYTES, end - 1);
  if (
    end - start <= FRAME_HEADER_BYTES + 1 || bytes[start + FRAME_HEADER_BYTES - 1] !== SPACE ||
    bytes[end - 1] !== LF || readHex(bytes, start) !== crc32(json)
  ) {
    throw new ConvergeError("corrupt_message", "Cannot read a frame: its checksum does not hold");
  }
  return json;
}

/** Writes a checksum as eight hex digits into `target`, from `start` on. */
export function writeHex(target: Uint8Array, checksum: number, start = 0): void {
  for (let i = 0; i < 8; i++) {
    target[start + i] = HEX_DIGITS[(checksum >>> (28 - 4 * i)) & 15]!;
  }
}

/** The checksum in the eight hex digits at `start`, or NaN. */
export function readHex(bytes: Uint8Array, start: number): number {
  let checksum = 0;
  for (let i = start; i < start + 8; i++) {
    const c = bytes[i]!;
    const digit = c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 102 ? c - 87 : NaN;
    checksum = checksum * 16 + digit;
  }
  return checksum;
}

/** Bytes as strings of one character each. */
import { Buffer } from "node:buffer";

/** The method without making a `Buffer` of every array first. */
const latin1Slice = (Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}).latin1Slice;

/** The bytes [start, end) as a string with one character each. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end);
}

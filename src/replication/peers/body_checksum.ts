/**
 * A checksum for what nodes say to each other. Records bring their own; the lines around them do not:
 * with one bit flipped, a question is for another key, and its answer that a node has nothing.
 */
import { crc32 } from "node:zlib";
import { ConvergeError } from "../../errors.ts";

/** Header, both ways: CRC-32 of the body in hex. */
export const CHECKSUM_HEADER = "converge-checksum";

/** Paths whose requests hold nothing but records. */
const RECORDS_ONLY: ReadonlySet<string> = new Set(["/internal/kv", "/internal/collect"]);

/** The header of a request that needs one. */
export function requestChecksum(
  path: string,
  body: Uint8Array | undefined,
): Record<string, string> {
  return body === undefined || RECORDS_ONLY.has(path) ? {} : bodyChecksum(body);
}

/** The header of a body. */
export function bodyChecksum(body: string | Uint8Array): Record<string, string> {
  return { [CHECKSUM_HEADER]: crc32(body).toString(16) };
}

/** @throws {ConvergeError} `corrupt_message` when `headers` say that the body was another one. */
export function checkBody(headers: Headers, body: Uint8Array): void {
  const checksum = headers.get(CHECKSUM_HEADER);
  if (checksum === null || checksum === crc32(body).toString(16)) return;
  throw new ConvergeError("corrupt_message", "Cannot read a message: its checksum does not hold");
}

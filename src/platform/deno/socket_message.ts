/**
 * How a request and its answer travel over a socket that many share: binary messages of
 *
 *     number of the request (4 bytes, big-endian) | length of the head (4 bytes) | head | body
 *
 * The head is JSON: `{"path", "headers"}` of a request, `{"status", "headers"}` of an answer.
 */
import { ConvergeError } from "../../errors.ts";

/** Path that a socket is opened at. */
export const SOCKET_PATH = "/internal/socket";

/** Bytes of a request's body that may go over a socket: a longer one would hold up what is behind it. */
export const SOCKET_BODY_BYTES_MAX = 1024 * 1024;

/** Bytes of an answer's body, for the same reason. */
export const SOCKET_ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** Bytes of a whole message, at most. */
export const SOCKET_MESSAGE_BYTES_MAX = SOCKET_ANSWER_BYTES_MAX + 64 * 1024;

/** Status in place of an answer that is longer: the request is to be sent again, alone. */
export const ASK_ALONE = 0;

/** A message, taken apart. */
export interface SocketMessage<Head> {
  readonly number: number;
  readonly head: Head;
  /** Shares memory with the message. */
  readonly body: Uint8Array;
}

/** Head of a request, whose method is POST. */
export interface RequestHead {
  path: string;
  headers: Record<string, string>;
}

/** Head of an answer. */
export interface ResponseHead {
  status: number;
  headers: Record<string, string>;
}

const PREFIX_BYTES = 8;
/** Heads are some headers long. */
const HEAD_BYTES_MAX = 16 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Puts a message together. */
export function encodeSocketMessage(
  number: number,
  head: RequestHead | ResponseHead,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const headBytes = encoder.encode(JSON.stringify(head));
  const bodyStart = PREFIX_BYTES + headBytes.byteLength;
  const message = new Uint8Array(bodyStart + body.byteLength);
  const view = new DataView(message.buffer);
  view.setUint32(0, number);
  view.setUint32(4, headBytes.byteLength);
  message.set(headBytes, PREFIX_BYTES);
  message.set(body, bodyStart);
  return message;
}

/** @throws {ConvergeError} `corrupt_message`. */
export function decodeRequest(message: Uint8Array): SocketMessage<RequestHead> {
  const decoded = decode<Partial<RequestHead>>(message);
  if (typeof decoded.head.path !== "string") throw cannotRead("the head has no path");
  return { ...decoded, head: { path: decoded.head.path, headers: headersOf(decoded.head) } };
}

/** @throws {ConvergeError} `corrupt_message`. */
export function decodeResponse(message: Uint8Array): SocketMessage<ResponseHead> {
  const decoded = decode<Partial<ResponseHead>>(message);
  if (typeof decoded.head.status !== "number") throw cannotRead("the head has no status");
  return { ...decoded, head: { status: decoded.head.status, headers: headersOf(decoded.head) } };
}

function decode<Head>(message: Uint8Array): SocketMessage<Head> {
  if (message.byteLength < PREFIX_BYTES) throw cannotRead("it is cut off");
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const headBytes = view.getUint32(4);
  const bodyStart = PREFIX_BYTES + headBytes;
  if (headBytes > HEAD_BYTES_MAX || bodyStart > message.byteLength) {
    throw cannotRead("it is cut off");
  }
  let head: Head | null;
  try {
    head = JSON.parse(decoder.decode(message.subarray(PREFIX_BYTES, bodyStart)));
  } catch (cause) {
    throw cannotRead("the head is not JSON", cause);
  }
  if (head === null || typeof head !== "object") throw cannotRead("the head is no object");
  return { number: view.getUint32(0), head, body: message.subarray(bodyStart) };
}

function headersOf({ headers }: { headers?: Record<string, string> }): Record<string, string> {
  if (headers === undefined || headers === null || typeof headers !== "object") {
    throw cannotRead("the head has no headers");
  }
  return headers;
}

function cannotRead(why: string, cause?: unknown): ConvergeError {
  return new ConvergeError("corrupt_message", `Cannot read a message: ${why}`, { cause });
}

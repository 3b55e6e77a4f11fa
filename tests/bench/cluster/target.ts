/** What is measured: servers of one kind, how to fill them, how to speak to them. */

/** The two requests of a key-value store, for a load of one kind. */
export interface Speech {
  /** Read quorum of GET: 2 = what a quorum read costs; 1 = one copy will do. */
  r?: 1 | 2;
}

/**
 * The raw bytes of a request around its key, so that building one costs the load generator the same
 * for all targets: `head + key + tail`.
 */
export interface RequestTemplate {
  head: string;
  /** How the key is written. */
  key: "plain" | "base64";
  tail: string;
}

/** Servers under test. */
export interface Target extends AsyncDisposable {
  readonly name: string;
  /** Where clients may go; one per node. */
  readonly urls: readonly string[];
  readonly pids: readonly number[];
  put(value: string): RequestTemplate;
  get(speech: Speech): RequestTemplate;
  /** Stores `count` keys from {@linkcode keyName} with the same value. */
  preload(count: number, value: string): Promise<void>;
}

/** Digits of a key's number. */
const KEY_DIGITS = 8;

/** The key with a number: 12 characters, so that base64 needs no padding. */
export function keyName(index: number): string {
  return `key-${String(index).padStart(KEY_DIGITS, "0")}`;
}

/** A text of so many printable characters that does not compress or escape. */
export function textOf(bytes: number): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  let state = 12345;
  let text = "";
  while (text.length < bytes) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    text += letters[(state >>> 16) % letters.length];
  }
  return text;
}

/** Raw HTTP/1.1 before the body. */
export function requestHead(line: string, headers: Record<string, string | number> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\nHost: localhost\r\n${lines.join("")}\r\n`;
}

/** A PUT as Converge, and what stands for it, takes it. */
export function plainPut(value: string): RequestTemplate {
  const tail = requestHead("", { "Content-Length": value.length }) + value;
  return { head: "PUT /kv/", key: "plain", tail };
}

/** A GET of the same. @param query What follows the key: nothing, or from `?` on. */
export function plainGet(query = ""): RequestTemplate {
  return { head: "GET /kv/", key: "plain", tail: requestHead(query) };
}

/** Runs `send` for consecutive ranges of keys, some at once. */
export async function inBatches(
  count: number,
  batch: number,
  send: (indexes: number[]) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const start = next;
      next = Math.min(count, start + batch);
      await send(Array.from({ length: next - start }, (_, i) => start + i));
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** Generators for property tests. */
import fc from "fast-check";
import { type Key, KEY_BYTES_MAX, keyFromBytes, keyFromText } from "../../src/record/key.ts";
import type { RecordFields } from "../../src/record/record_line.ts";
import { COUNTER_MAX, type Version } from "../../src/record/version.ts";

/** Text with whatever JSON, URLs and UTF-8 stumble over. */
const awkwardText = fc.string({
  unit: fc.constantFrom(
    ..."a&b %/\\\"'{}\n\r\0\x7f\u2028\ufeff\ufffdé漢😀",
    "%2e",
    "..",
    "%FF",
    "\u{10ffff}",
  ),
  maxLength: 12,
});

/** Bytes, UTF-8 or not. */
export const bytes: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((array) => new Uint8Array(array)),
  awkwardText.map((text) => new TextEncoder().encode(text)),
  fc.string({ unit: "binary", maxLength: 20 }).map((text) => new TextEncoder().encode(text)),
);

/** Keys of any bytes. */
export const key: fc.Arbitrary<Key> = fc.oneof(
  bytes.filter((b) => b.length > 0 && b.length <= KEY_BYTES_MAX).map(keyFromBytes),
  fc.constantFrom(..."abcdefgh").map(keyFromText),
);

/** Keys, the empty one too, that share beginnings, begin others, or go on with zeros. */
export const relatedKey: fc.Arbitrary<Key> = fc.array(
  fc.constantFrom("", "a", "ab", "user:", "\x00", "\x00\x00\x00", "\xff", "0000000", "zzzzzz"),
  { maxLength: 6 },
).map((parts) => parts.join(""));

/** Counters, the edges of their range included. */
export const counter: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc.constantFrom(1, COUNTER_MAX - 1, COUNTER_MAX, 2 ** 31, 2 ** 32),
);

export const nodeID: fc.Arbitrary<string> = fc.constantFrom("node1.4f2a", "node2.00ff", "a-b.c_d");

export const version: fc.Arbitrary<Version> = fc.record({ counter, nodeID });

/** What records are made of. */
export const recordFields: fc.Arbitrary<RecordFields> = fc.record({
  key,
  value: fc.option(bytes, { nil: undefined }),
  contentType: fc.option(fc.constantFrom("text/plain", 'a/b; c="d\\e"', "", "x/é"), {
    nil: undefined,
  }),
  expiresAtMs: fc.constantFrom(0, 1, 1_767_225_600_000, Number.MAX_SAFE_INTEGER),
  counter,
  nodeID,
});

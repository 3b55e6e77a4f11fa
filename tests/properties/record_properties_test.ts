/**
 * Strategy: records of any key and value bytes, types, expiries and versions are encoded, sent in
 * batches, and decoded; versions are compared in every combination.
 *
 * Invariants:
 * - decoding gives back every field and every byte;
 * - a record has one encoding: decoding and encoding again gives the same bytes;
 * - the line is JSON without line feeds, so frames can be split at line feeds;
 * - the order of keys as strings is the order of their bytes;
 * - versions are totally ordered and the merge is commutative, associative and idempotent;
 * - whatever bytes arrive, decoding throws `corrupt_message` or gives a record that encodes to them;
 * - plain frames, which are read byte by byte, are read just as their JSON says.
 */
import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isConvergeError } from "../../src/errors.ts";
import {
  keyFromBytes,
  keyFromJson,
  keyFromPath,
  keyToBytes,
  keyToJson,
  keyToPath,
} from "../../src/record/key.ts";
import { newest } from "../../src/record/record.ts";
import { frameOf, joinFrames, lineOf } from "../../src/record/frame.ts";
import {
  decodeFrames,
  encodeRecord,
  recordFromLine,
  valueOf,
} from "../../src/record/record_line.ts";
import { compareVersions, formatVersion, parseVersion } from "../../src/record/version.ts";
import { key, recordFields, version } from "../support/arbitraries.ts";

Deno.test("record line: every field and byte survives a batch, and the encoding is canonical", () => {
  fc.assert(fc.property(fc.array(recordFields, { maxLength: 5 }), (batch) => {
    const records = batch.map(encodeRecord);
    const decoded = decodeFrames(joinFrames(records));
    assertEquals(decoded, records);
    decoded.forEach((record, i) => {
      const fields = batch[i]!;
      assertEquals(record.tombstone, fields.value === undefined);
      assertEquals(JSON.parse(new TextDecoder().decode(lineOf(record.frame))).c, fields.counter);
      if (fields.value === undefined) return;
      const { bytes, contentType } = valueOf(record);
      assertEquals([...bytes], [...fields.value]);
      assertEquals(contentType, fields.contentType);
      assertEquals(encodeRecord({ ...record, value: bytes, contentType }).frame, record.frame);
    });
  }));
});

Deno.test("decodeFrame: plain lines, and what is nearly one, are read as their JSON says", () => {
  const plain = fc.string({ unit: fc.constantFrom(...'ab "\\/\n\b\u007f\u001fé{}:,') });
  const line = fc.record({
    k: plain,
    v: plain,
    t: fc.oneof(fc.constantFrom("text/plain", "a".repeat(255), "a".repeat(256)), plain),
    x: fc.oneof(fc.nat(), fc.constantFrom(2 ** 53 - 7, 2 ** 53 - 1, 2 ** 53)),
    c: fc.oneof(fc.nat(), fc.constantFrom(2 ** 52, 2 ** 52 + 1, 0)),
    n: fc.constantFrom("node1.4f2a", "a", ".a", ""),
  }, { requiredKeys: ["k", "v", "c", "n"] })
    .map(({ k, v, t, x, c, n }) => ({ k, v, t, x, c, n }));
  const edit = fc.tuple(fc.nat(), fc.constantFrom(...'"\\0,:{} eéu\u007f'), fc.boolean());
  fc.assert(
    fc.property(line, fc.option(edit), (fields, change) => {
      let json = JSON.stringify(fields);
      if (change !== null) {
        const at = change[0] % json.length;
        json = json.slice(0, at) + change[1] + json.slice(at + Number(change[2]));
      }
      const frames = frameOf(json);
      const records = read(() => decodeFrames(frames));
      assertEquals(records, read(() => [recordFromLine(encode(json))]));
      // A value is looked for where a node has written it.
      if (typeof records === "string" || change !== null) return;
      const { bytes, contentType } = valueOf(decodeFrames(frames)[0]!);
      assertEquals([new TextDecoder().decode(bytes), contentType], [fields.v, fields.t]);
    }),
    { numRuns: 2_000 },
  );
});

function read(records: () => unknown): unknown {
  try {
    return records();
  } catch (error) {
    assert(isConvergeError(error, "corrupt_message"), String(error));
    return error.code;
  }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("decodeFrames: never anything but a record or corrupt_message", () => {
  const json = fc.oneof(
    fc.json({ maxDepth: 2 }),
    fc.record({
      k: fc.oneof(fc.string({ unit: "binary-ascii" }), fc.constant("\ud800"), fc.integer()),
      v: fc.oneof(fc.string(), fc.constant("\udc00"), fc.constant(null)),
      b: fc.oneof(fc.base64String(), fc.string()),
      t: fc.string({ unit: "binary" }),
      c: fc.oneof(fc.double(), fc.integer()),
      n: fc.constantFrom("a.1", "", "ä"),
      d: fc.constantFrom(0, 1, true),
      x: fc.oneof(fc.double(), fc.integer()),
    }, { requiredKeys: ["c", "n"] }).map((fields) => JSON.stringify(fields)),
  );
  const frames = fc.oneof(
    fc.uint8Array().map((array) => new Uint8Array(array)),
    json.map(frameOf),
  );
  fc.assert(fc.property(frames, (frame) => {
    try {
      for (const record of decodeFrames(frame)) {
        if (!record.tombstone) new Headers({ "content-type": valueOf(record).contentType ?? "" });
      }
    } catch (error) {
      assert(isConvergeError(error, "corrupt_message"), String(error));
    }
  }));
});

Deno.test("keys: bytes, JSON and path forms say the same", () => {
  fc.assert(fc.property(key, (k) => {
    assertEquals(keyFromBytes(keyToBytes(k)), k);
    assertEquals(keyFromJson(JSON.parse(JSON.stringify(keyToJson(k)))), k);
    assertEquals(keyFromPath(keyToPath(k)), k);
    // A URL parser folds dot segments however they are written; it changes nothing else.
    if (k.split("/").some((segment) => segment === "." || segment === "..")) return;
    const url = new URL(`http://x/kv/${keyToPath(k)}`);
    assertEquals(keyFromPath(url.pathname.slice("/kv/".length)), k);
  }));
});

Deno.test("keys: order as strings is order of bytes", () => {
  fc.assert(fc.property(key, key, (a, b) => {
    const order = Buffer.compare(keyToBytes(a), keyToBytes(b));
    assertEquals(a < b ? -1 : a > b ? 1 : 0, order);
  }));
});

Deno.test("versions: a total order; formatting loses nothing", () => {
  fc.assert(fc.property(version, version, version, (a, b, c) => {
    assertEquals(Math.sign(compareVersions(a, b)), -Math.sign(compareVersions(b, a)) || 0);
    if (compareVersions(a, b) >= 0 && compareVersions(b, c) >= 0) {
      assert(compareVersions(a, c) >= 0);
    }
    assertEquals(compareVersions(a, b) === 0, formatVersion(a) === formatVersion(b));
    assertEquals(parseVersion(formatVersion(a)), a);
  }));
});

Deno.test("newest: commutative, associative, idempotent", () => {
  const optional = fc.option(version, { nil: undefined });
  fc.assert(fc.property(optional, optional, optional, (a, b, c) => {
    assertEquals(newest(a, b), newest(b, a));
    assertEquals(newest(newest(a, b), c), newest(a, newest(b, c)));
    assertEquals(newest(a, a), a);
  }));
});

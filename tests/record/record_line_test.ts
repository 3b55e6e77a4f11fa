import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { keyFromBytes } from "../../src/record/key.ts";
import { frameAround, joinFrames, lineOf } from "../../src/record/frame.ts";
import {
  decodeFrame,
  decodeFrames,
  encodeRecord,
  recordFromLine,
  valueOf,
} from "../../src/record/record_line.ts";
import { COUNTER_MAX } from "../../src/record/version.ts";
import { base64, bytesOf, frameOf, record } from "../support/records.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function lineText(fields: Parameters<typeof encodeRecord>[0]): string {
  return decoder.decode(lineOf(encodeRecord(fields).frame));
}

function decode(json: string) {
  const frame = frameOf(json);
  return decodeFrame(frame, 0, frame.byteLength);
}

Deno.test("encodeRecord: the lines of the format, pinned", () => {
  const version = { counter: 12, nodeID: "node1.4f2a" };
  assertEquals(
    lineText({ key: "greeting", value: bytesOf("hello"), ...version }),
    '{"k":"greeting","v":"hello","c":12,"n":"node1.4f2a"}',
  );
  assertEquals(
    lineText({
      key: keyFromBytes(new Uint8Array([0xff])),
      value: new Uint8Array([0, 0xff]),
      contentType: "image/png",
      expiresAtMs: 5,
      ...version,
    }),
    '{"kb":"/w==","b":"AP8=","t":"image/png","x":5,"c":12,"n":"node1.4f2a"}',
  );
  assertEquals(
    lineText({ key: 'a"\\', value: undefined, ...version }),
    '{"k":"a\\"\\\\","d":1,"c":12,"n":"node1.4f2a"}',
  );
});

Deno.test("encodeRecord: a frame is checksum, space, line, line feed, pinned", () => {
  const { frame } = encodeRecord({ key: "k", value: bytesOf("v"), counter: 1, nodeID: "a.1" });
  assertEquals(decoder.decode(frame), '5f948918 {"k":"k","v":"v","c":1,"n":"a.1"}\n');
});

Deno.test("valueOf: a byte order mark is part of the value, and of the key", () => {
  const value = new Uint8Array([0xef, 0xbb, 0xbf, 0x61]);
  const key = keyFromBytes(value);
  const { frame } = encodeRecord({ key, value, counter: 1, nodeID: "a.1" });
  const read = decodeFrame(frame, 0, frame.byteLength);
  assertEquals(read.key, key);
  assertEquals([...valueOf(read).bytes], [...value]);
});

Deno.test("valueOf: long values come back whole, with a quote or an escape at any place or nowhere", () => {
  for (const special of ["", '"', "\\", "\n", "é"]) {
    for (let at = 250; at < 262; at++) {
      const value = new TextEncoder().encode("x".repeat(at) + special + "y".repeat(300));
      const stored = encodeRecord({
        key: "k",
        value,
        contentType: 'a/b; c="d"',
        counter: 1,
        nodeID: "n.1",
      });
      assertEquals([...valueOf(stored).bytes], [...value], `${JSON.stringify(special)} at ${at}`);
      assertEquals(valueOf(stored).contentType, 'a/b; c="d"');
    }
  }
});

Deno.test("valueOf: bytes of a lone surrogate in UTF-8 style come back as they were", () => {
  const value = new Uint8Array([0xed, 0xa0, 0x80]);
  const stored = encodeRecord({ key: "k", value, counter: 1, nodeID: "a.1" });
  assertEquals([...valueOf(stored).bytes], [...value]);
});

Deno.test("decodeFrame: refuses any single changed byte", () => {
  const { frame } = record("key", 7, { value: "some value" });
  for (let i = 0; i < frame.byteLength; i++) {
    const damaged = frame.slice();
    damaged[i]! ^= 1;
    assertThrows(() => decodeFrame(damaged, 0, damaged.byteLength), ConvergeError, "", `${i}`);
  }
});

Deno.test("decodeFrame: refuses lines that no node writes, though their checksum holds", () => {
  const rest = '"c":1,"n":"a.1"}';
  const bad = [
    "",
    "1",
    "null",
    "[]",
    "{}",
    '"text"',
    "{",
    `{"k":"",${'"v":"x",'}${rest}`,
    `{"v":"x",${rest}`,
    `{"k":"k",${rest}`, // neither value nor tombstone
    `{"k":"k","v":"x","b":"eA==",${rest}`,
    `{"k":"k","v":"x","d":1,${rest}`,
    `{"k":"k","d":2,${rest}`,
    `{"k":"k","v":"x","d":0,${rest}`,
    `{"k":"k","d":true,${rest}`,
    `{"k":"k","v":1,${rest}`,
    `{"k":"k","v":"\\ud800",${rest}`, // would be read as U+FFFD
    `{"k":"\\ud800","v":"x",${rest}`,
    `{"k":"k","b":"/w",${rest}`,
    `{"k":"k","b":"!!!!",${rest}`,
    `{"kb":"YQ==","v":"x",${rest}`,
    `{"k":"k","v":"x","t":1,${rest}`,
    `{"k":"k","v":"x","t":"a\\nb",${rest}`, // could not be a header
    `{"k":"k","v":"x","t":"${"t".repeat(256)}",${rest}`,
    `{"k":"k","v":"x","x":-1,${rest}`,
    `{"k":"k","v":"x","x":1.5,${rest}`,
    `{"k":"k","v":"x","x":"1",${rest}`,
    `{"k":"k","v":"x","c":0,"n":"a.1"}`,
    `{"k":"k","v":"x","c":01,"n":"a.1"}`,
    `{"k":"k","v":"x","c":${COUNTER_MAX + 1},"n":"a.1"}`,
    `{"k":"k","v":"x","c":9007199254740993,"n":"a.1"}`,
    `{"k":"k","v":"x","c":1e400,"n":"a.1"}`,
    `{"k":"k","v":"x","c":"1","n":"a.1"}`,
    `{"k":"k","v":"x","c":1}`,
    `{"k":"k","v":"x","c":1,"n":"a b"}`,
    `{"k":"k","v":"x","c":1,"n":7}`,
    `{"k":"${"k".repeat(2049)}","v":"x",${rest}`,
    `{"kb":"${base64(new Uint8Array(2049).fill(255))}","v":"x",${rest}`,
  ];
  for (const json of bad) {
    const error = assertThrows(() => decode(json), ConvergeError, "", json.slice(0, 60));
    assertEquals(error.code, "corrupt_message");
  }
});

Deno.test("decodeFrame: refuses what is not UTF-8 or not framed", () => {
  const line = bytesOf('{"k":"k","v":"x?","c":1,"n":"a.1"}');
  line[line.indexOf(0x3f)] = 0xff;
  const frames = [
    frameAround(line),
    bytesOf("garbage\n"),
    bytesOf("\n"),
    bytesOf("00000000 \n"),
    bytesOf("00000000 {}"),
    bytesOf(decoder.decode(record("k", 1).frame).toUpperCase()),
  ];
  for (const frame of frames) {
    assertThrows(() => decodeFrame(frame, 0, frame.byteLength), ConvergeError);
  }
});

Deno.test("decodeFrames: all of a batch or none of it", () => {
  const records = [record("a", 1), record("b", 2, { value: undefined })];
  const body = joinFrames(records);
  assertEquals(decodeFrames(body).map(({ key, counter }) => [key, counter]), [["a", 1], ["b", 2]]);
  assertEquals(decodeFrames(new Uint8Array()), []);
  for (let cut = 1; cut < records[1]!.frame.byteLength; cut++) {
    assertThrows(() => decodeFrames(body.subarray(0, body.byteLength - cut)), ConvergeError);
  }
});

Deno.test("decodeFrames: refuses any single changed byte, of plain lines and of others", () => {
  const body = joinFrames([
    record("a", 1),
    record("b", 2, { value: '"é"' }),
    record("c", 3),
  ]);
  for (let i = 0; i < body.byteLength; i++) {
    for (const bits of [1, 2, 128]) {
      const damaged = body.slice();
      damaged[i]! ^= bits;
      assertThrows(() => decodeFrames(damaged), ConvergeError, "", `${i} ${bits}`);
    }
  }
});

Deno.test("recordFromLine: a table's line gives the very frame that the log had", () => {
  const stored = record("k", 3);
  const again = recordFromLine(lineOf(stored.frame));
  assertEquals(again, stored);
  assert(again.frame !== stored.frame);
});

Deno.test("encodeRecord: frames cut from one slab do not run into each other", () => {
  const records = Array.from({ length: 3_000 }, (_, i) => record(`key ${i}`, i + 1));
  for (const stored of records) {
    assertEquals(decodeFrame(stored.frame, 0, stored.frame.byteLength).counter, stored.counter);
  }
});

Deno.test("encodeRecord: a large frame keeps no buffer beyond its own bytes", () => {
  for (const text of ["a".repeat(100_000), "\n".repeat(100_000), "é".repeat(100_000)]) {
    const value = new TextEncoder().encode(text);
    const { frame } = encodeRecord({ key: "k", value, counter: 1, nodeID: "a.1" });
    assert(frame.buffer.byteLength < 1.1 * frame.byteLength, `${frame.buffer.byteLength}`);
  }
});

Deno.test("encodeRecord: refuses a content type that nobody could read again", () => {
  for (const contentType of ["a\nb", "t".repeat(256)]) {
    const fields = { key: "k", value: new Uint8Array(), counter: 1, nodeID: "a.1", contentType };
    assertThrows(() => encodeRecord(fields), ConvergeError, "the content type is unusable");
  }
});

Deno.test("encodeRecord: a content type beyond ASCII, as headers may have, comes back as it was", () => {
  const value = bytesOf("plain");
  const contentType = 'text/plain; name="caf\xe9"';
  for (const type of [contentType, "text/caf\xe9"]) {
    const { frame } = encodeRecord({
      key: "k",
      value,
      counter: 1,
      nodeID: "a.1",
      contentType: type,
    });
    const read = valueOf(decodeFrame(frame, 0, frame.byteLength));
    assertEquals([read.bytes, read.contentType], [value, type]);
  }
});

Deno.test("decodeFrames: node IDs that begin alike are told apart, in any order", () => {
  const nodeIDs = ["a.1", "a.12", "a.1", "a.123", "a.12"];
  const records = nodeIDs.map((nodeID, i) => record(`k${i}`, 1, { nodeID }));
  assertEquals(decodeFrames(joinFrames(records)).map(({ nodeID }) => nodeID), nodeIDs);
});

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ConvergeError } from "../../../src/errors.ts";
import {
  decodeApplyResults,
  decodeReadQuestions,
  decodeReadReplies,
  encodeApplyResults,
  encodeReadQuestion,
  encodeReadReplies,
  parseCounterHeader,
  type ReadQuestion,
  type ReadReply,
} from "../../../src/replication/peers/internal_protocol.ts";
import type { Key } from "../../../src/record/key.ts";
import { COUNTER_MAX } from "../../../src/record/version.ts";
import { encodeRecord } from "../../../src/record/record_line.ts";
import { key, recordFields, version } from "../../support/arbitraries.ts";
import { bytesOf, record } from "../../support/records.ts";

const K = { key: "k" as Key };
const SAME = { key: "k" as Key, have: record("k", 1) };

Deno.test("answers to writes: read back as they were, only in the right number", () => {
  const result = fc.oneof(
    fc.constant("stored" as const),
    version,
    fc.integer({ min: 1, max: COUNTER_MAX }).map((horizon) => ({ horizon })),
  );
  fc.assert(fc.property(fc.array(result, { maxLength: 9 }), (results) => {
    const body = bytesOf(encodeApplyResults(results));
    assertEquals(decodeApplyResults(body, results.length), results);
    assertThrows(() => decodeApplyResults(body, results.length + 1), ConvergeError);
  }));
});

Deno.test("decodeApplyResults: anything unknown is no ack", () => {
  for (
    const bad of [
      "ok\n",
      "Stored\n",
      "stored",
      "stored \n",
      "superseded\n",
      "superseded 0-a\n",
      "\n",
    ]
  ) {
    const error = assertThrows(() => decodeApplyResults(bytesOf(bad), 1), ConvergeError, "", bad);
    assertEquals(error.code, "corrupt_message");
  }
});

Deno.test("questions and replies: any key and record survives the wire", () => {
  const question = fc.record({ key, have: fc.option(version, { nil: undefined }) });
  fc.assert(fc.property(fc.array(question, { maxLength: 9 }), (questions) => {
    const body = bytesOf(questions.map(encodeReadQuestion).join(""));
    assertEquals(decodeReadQuestions(body), questions);
  }));
  const reply = fc.oneof(
    fc.constantFrom("same" as const, "absent" as const, "again" as const),
    recordFields.map(encodeRecord),
  );
  fc.assert(fc.property(fc.array(reply, { maxLength: 9 }), (wanted) => {
    const replies = wanted[0] === "again" ? wanted.slice(1) : wanted;
    fc.pre(replies[0] !== "again");
    const questions = replies.map((reply) => typeof reply === "object" ? { key: reply.key } : SAME);
    assertEquals(decodeReadReplies(encodeReadReplies(replies), questions), replies);
  }));
});

Deno.test("decodeReadQuestions: what is cut off, or names half a version, is no question", () => {
  const whole = ['{"k":"k"}\n', '{"k":"k","c":1,"n":"a.1"}\n'];
  for (const line of whole) decodeReadQuestions(bytesOf(line));
  const bad = [
    ...whole.map((line) => line.slice(0, -1)),
    whole[0] + '{"k":"k2"}',
    '{"k":"k","c":1}\n',
    '{"k":"k","n":"a.1"}\n',
    '{"k":"k","c":1,"n":"a 1"}\n',
    '{"k":"k","c":0,"n":"a.1"}\n',
  ];
  for (const body of bad) {
    const error = assertThrows(() => decodeReadQuestions(bytesOf(body)), ConvergeError, "", body);
    assertEquals(error.code, "corrupt_message");
  }
});

Deno.test("decodeReadReplies: damage is no answer", () => {
  const { frame } = record("k", 1);
  const damaged = frame.slice();
  damaged[20]! ^= 1;
  for (const bad of [damaged, frame.subarray(0, -1), bytesOf("sane\n"), bytesOf("absent")]) {
    assertThrows(() => decodeReadReplies(bad, [K]), ConvergeError);
  }
  assertThrows(() => decodeReadReplies(frame, [K, K]), ConvergeError);
});

Deno.test("decodeReadReplies: what cannot be the answer to its question is none", () => {
  const one = record("k", 1);
  const refused: [ReadReply[], ReadQuestion[]][] = [
    [[one], [{ key: "j" as Key }]],
    [["absent", one], [K, { key: "kk" as Key }]],
    [["same"], [K]],
    [["again"], [SAME]], // for ever
    [["again", "absent"], [K, K]],
  ];
  for (const [replies, questions] of refused) {
    const body = encodeReadReplies(replies);
    assertThrows(() => decodeReadReplies(body, questions), ConvergeError, "another question");
  }
});

Deno.test("parseCounterHeader: a counter past 2^52 poisons nobody", () => {
  assertEquals(parseCounterHeader(null), 0);
  assertEquals(parseCounterHeader("0"), 0);
  assertEquals(parseCounterHeader(String(COUNTER_MAX)), COUNTER_MAX);
  for (const bad of ["", "x", "-1", "1.5", "1e400", String(COUNTER_MAX + 1), "9007199254740993"]) {
    assertThrows(() => parseCounterHeader(bad), ConvergeError, "", bad);
  }
});

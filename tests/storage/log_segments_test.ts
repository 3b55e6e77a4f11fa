import { assert, assertEquals } from "@std/assert";
import {
  isUnbegun,
  missingSegments,
  segmentNumbers,
  segmentProblem,
} from "../../src/storage/log_segments.ts";
import { commitLine, headerLine, LOG_FORMAT } from "../../src/storage/wal_format.ts";
import { readSegment, type SegmentFindings } from "../../src/storage/wal_reader.ts";
import { record } from "./store_conformance.ts";

function findings(changes: Partial<SegmentFindings> = {}): SegmentFindings {
  const header = { format: 1, segment: 7, previousBytes: 300 };
  return { header, validBytes: 100, syncedBytes: 0, lines: 1, damage: undefined, ...changes };
}

Deno.test("segmentNumbers(): of logs alone, from the first that counts on, as numbers", () => {
  const names = ["000010.log", "000009.log", "000008.sst", "000007.log", "lock", "000011.log.tmp"];
  assertEquals(segmentNumbers(names), [7, 9, 10]);
  assertEquals(segmentNumbers(names, 9), [9, 10]);
  assertEquals(segmentNumbers(["999999.log", "1000000.log"]), [999_999, 1_000_000]);
});

Deno.test("missingSegments(): the first of every row that is not there", () => {
  const missing = (numbers: number[], first: number | undefined) =>
    missingSegments(numbers, first).map(({ file }) => file);
  assertEquals(missing([3, 4, 5], 3), []);
  assertEquals(missing([4, 5, 8], 3), ["000003.log", "000006.log"]);
  assertEquals(missing([], 3), ["000003.log"]);
  assertEquals(missing([4, 6], undefined), ["000005.log"]);
  assertEquals(missing([], undefined), []);
});

Deno.test("segmentProblem(): damage, no header, another number, another length before", () => {
  const problem = (of: SegmentFindings, previousBytes = 300) =>
    segmentProblem(of, { number: 7, previousBytes });
  assertEquals(problem(findings()), undefined);
  assertEquals(problem(findings(), 0), undefined, "nobody knows how long the one before was");
  for (const previousBytes of [299, 301]) {
    assertEquals(problem(findings(), previousBytes), {
      file: "000006.log",
      offset: previousBytes,
      problem: `it has ${previousBytes} bytes and had 300`,
    });
  }
  for (const segment of [6, 8]) {
    const header = { format: 1, segment, previousBytes: 300 };
    assertEquals(problem(findings({ header })), {
      file: "000007.log",
      offset: 0,
      problem: `it says that it is segment ${segment}`,
    });
  }
  const damage = { offset: 40, reason: "it rots" };
  assertEquals(problem(findings({ damage, header: undefined })), {
    file: "000007.log",
    offset: 40,
    problem: "it rots",
  });
  assertEquals(problem(findings({ header: undefined }))?.problem, "it has no header");
  assertEquals(
    [{}, { damage }].map((more) => isUnbegun(findings({ header: undefined, ...more }))),
    [
      true,
      false,
    ],
  );
});

Deno.test("readSegment(): a value that looks like many commits takes no longer to tell from one", () => {
  const header = headerLine({ format: LOG_FORMAT, segment: 1, previousBytes: 0 });
  for (const unit of [" #", "00000000 #commit {"]) {
    // A group of which the end is missing: nothing in it may be taken for a witness.
    const value = unit.repeat(500_000 / unit.length);
    const torn = record("k", 1, { value }).frame.subarray(0, -1);
    const bytes = Uint8Array.from([...header, ...torn]);
    const startMs = performance.now();
    const { validBytes, damage } = readSegment(bytes, () => {});
    const tookMs = performance.now() - startMs;
    assertEquals([validBytes, damage], [header.byteLength, undefined]);
    assert(tookMs < 30_000, `${tookMs} ms: each was read to the end`); // minutes, where it is
  }
});

Deno.test("readSegment(): a group whose commit says that more is durable than stands before it does not hold", () => {
  const header = headerLine({ format: LOG_FORMAT, segment: 7, previousBytes: 0 });
  for (const more of [0, 1]) {
    const synced = header.byteLength + more;
    const commit = commitLine({ lines: 0, bytes: 0, crc: 0, synced });
    const found = readSegment(new Uint8Array([...header, ...commit]), () => {});
    const holds = { validBytes: synced + commit.byteLength, syncedBytes: synced };
    const { validBytes, syncedBytes } = found;
    const expected = more === 0 ? holds : { validBytes: header.byteLength, syncedBytes: 0 };
    assertEquals({ validBytes, syncedBytes }, expected);
  }
});

/**
 * Which segments of the log count, and which of them no node starts with. Pure. A start stops at the
 * first problem, `doctor` tells of all: what one refuses is what the other calls damage.
 */
import { logName, parseName } from "./file_names.ts";
import type { SegmentFindings } from "./wal_reader.ts";

/** Why no node starts with a log. */
export interface LogProblem {
  file: string;
  offset?: number;
  problem: string;
}

/** Numbers of the segments from `first` on, ascending. */
export function segmentNumbers(names: readonly string[], first = 0): number[] {
  const numbers: number[] = [];
  for (const name of names) {
    const file = parseName(name);
    if (file?.kind === "log" && file.number >= first) numbers.push(file.number);
  }
  return numbers.sort((a, b) => a - b);
}

/**
 * The first of every row of segments that are not there: they have numbers of their own, without gaps.
 *
 * @param first What the manifest says; undefined when it says nothing.
 */
export function missingSegments(
  numbers: readonly number[],
  first: number | undefined,
): LogProblem[] {
  const missing: LogProblem[] = [];
  let expected = first ?? numbers[0];
  for (const number of numbers) {
    if (number !== expected) missing.push({ file: logName(expected!), problem: "it is missing" });
    expected = number + 1;
  }
  if (numbers.length > 0 || first === undefined) return missing;
  return [{ file: logName(first), problem: "it is missing" }];
}

/**
 * Whether the last of several segments is to be forgotten: its header was never durable, so it held
 * nothing, and the one before it may have been written on.
 */
export function isUnbegun({ header, damage }: SegmentFindings): boolean {
  return header === undefined && damage === undefined;
}

/**
 * What is wrong with a segment that is not to be forgotten.
 *
 * @param previousBytes Bytes of whole groups in the segment before; 0 when that is not known.
 */
export function segmentProblem(
  { header, damage, validBytes }: SegmentFindings,
  { number, previousBytes }: { number: number; previousBytes: number },
): LogProblem | undefined {
  const file = logName(number);
  if (damage !== undefined) return { file, offset: damage.offset, problem: damage.reason };
  // What a full disk took of a group that was given up may stand behind the last whole one; whether
  // a whole one is missing, the next segment tells, which knows how long this one was.
  if (header === undefined) return { file, offset: validBytes, problem: "it has no header" };
  if (header.segment !== number) {
    return { file, offset: 0, problem: `it says that it is segment ${header.segment}` };
  }
  if (previousBytes === 0 || header.previousBytes === previousBytes) return undefined;
  return {
    file: logName(number - 1),
    offset: previousBytes,
    problem: `it has ${previousBytes} bytes and had ${header.previousBytes}`,
  };
}

/** Readers of option values: numbers, durations, sizes, ratios. All throw `bad_config`. */
import { ConvergeError } from "../../errors.ts";

/** What a value may be. */
export interface Range {
  min: number;
  max: number;
}

const DURATION_MS: Record<string, number> = { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const SIZE_BYTES: Record<string, number> = {
  "": 1,
  b: 1,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/**
 * A whole number in decimal digits.
 *
 * @throws {ConvergeError} `bad_config` for anything else, or outside `range`.
 */
export function parseInteger(option: string, text: string, range: Range): number {
  return inRange({ option, text, range, value: /^\d+$/.test(text) ? Number(text) : NaN });
}

/**
 * Milliseconds from `1500`, `1500ms`, `2s`, `5m` or `3h`.
 *
 * @param kind What else there is, for the error.
 */
export function parseDuration(
  option: string,
  text: string,
  range: Range,
  kind = "a time like 500ms or 2s,",
): number {
  return inRange({ option, text, range, value: withUnit(text, DURATION_MS), kind, unit: " ms" });
}

/** Bytes from `1048576`, `64KiB`, `1MiB` or `2GiB`. */
export function parseSize(option: string, text: string, range: Range): number {
  const value = withUnit(text, SIZE_BYTES);
  return inRange({
    option,
    text,
    range,
    value,
    kind: "a size like 64KiB or 1MiB,",
    unit: " bytes",
  });
}

/** A number from 0 to 1, like `0.01`. */
export function parseRatio(option: string, text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (value <= 1) return value;
  throw badValue(option, text, "a number from 0 to 1");
}

/** One of `choices`. */
export function parseChoice<T extends string>(
  option: string,
  text: string,
  choices: readonly T[],
): T {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw badValue(option, text, `one of ${choices.join(", ")}`);
  return choice;
}

/** "Cannot use --port "x": it must be ...". */
export function badValue(option: string, text: string, wanted: string): ConvergeError {
  return new ConvergeError(
    "bad_config",
    `Cannot use ${option} ${JSON.stringify(text)}: it must be ${wanted}`,
  );
}

function withUnit(text: string, units: Record<string, number>): number {
  const match = /^(\d+)\s*([A-Za-z]*)$/.exec(text);
  const factor = match === null ? undefined : units[(match[2] ?? "").toLowerCase()];
  return match === null || factor === undefined ? NaN : Number(match[1]) * factor;
}

function inRange(
  { option, text, range: { min, max }, value, kind = "a whole number", unit = "" }: {
    option: string;
    text: string;
    range: Range;
    value: number;
    kind?: string;
    unit?: string;
  },
): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw badValue(option, text, `${kind} from ${min} to ${max}${unit}`);
}

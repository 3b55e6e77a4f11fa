import { assertEquals, assertThrows } from "@std/assert";
import {
  parseDuration,
  parseInteger,
  parseRatio,
  parseSize,
  type Range,
} from "../../../src/cli/options/parse_value.ts";
import { ConvergeError } from "../../../src/errors.ts";

const ALL: Range = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** What a reader makes of each text; undefined where it refuses it. */
function readings(read: (text: string) => number, texts: readonly string[]) {
  return texts.map((text) => {
    try {
      return read(text);
    } catch (error) {
      if (error instanceof ConvergeError && error.code === "bad_config") return undefined;
      throw error;
    }
  });
}

function assertRefused(read: (text: string) => number, texts: readonly string[]): void {
  assertEquals(readings(read, texts), texts.map(() => undefined));
}

Deno.test("parseInteger() reads decimal digits within its range, and nothing else", () => {
  const range = { min: 2, max: 20 };
  const read = (text: string) => parseInteger("--x", text, range);
  assertEquals(readings(read, ["2", "07", "20"]), [2, 7, 20]);
  assertRefused(read, [
    "1",
    "21",
    "",
    "x",
    "0x10",
    "1e1",
    " 5",
    "5 ",
    "-5",
    "+5",
    "5.0",
    "9".repeat(30),
  ]);
  assertThrows(() => read("21"), ConvergeError, 'Cannot use --x "21": it must be a whole number');
});

Deno.test("parseDuration() reads milliseconds, seconds, minutes and hours", () => {
  const read = (text: string) => parseDuration("--x", text, ALL);
  const texts = ["1500", "1500ms", "2s", "5m", "3h", "2 s", "2S"];
  assertEquals(readings(read, texts), [1_500, 1_500, 2_000, 300_000, 10_800_000, 2_000, 2_000]);
  assertRefused(read, ["", "s", "2d", "2s!", "2s 3", "1.5s", "-2s", "2constructor"]);
  const narrow = (text: string) => parseDuration("--x", text, { min: 10, max: 99 });
  assertRefused(narrow, ["9ms", "1s"]);
  assertThrows(
    () => narrow("1s"),
    ConvergeError,
    "must be a time like 500ms or 2s, from 10 to 99 ms",
  );
});

Deno.test("parseSize() reads bytes and binary units, in any case", () => {
  const read = (text: string) => parseSize("--x", text, ALL);
  const texts = ["10", "10b", "64KiB", "64kib", "1MiB", "2GiB"];
  assertEquals(readings(read, texts), [10, 10, 65_536, 65_536, 1_048_576, 2_147_483_648]);
  assertRefused(read, ["", "KiB", "1MB", "1KiB1", "1k", "9999999GiB"]);
  assertThrows(() => read("1MB"), ConvergeError, "must be a size like 64KiB or 1MiB, from 0 to");
});

Deno.test("parseRatio() reads what is from 0 to 1", () => {
  const read = (text: string) => parseRatio("--x", text);
  assertEquals(readings(read, ["0", "1", "0.01", ".5", "1.0"]), [0, 1, 0.01, 0.5, 1]);
  assertRefused(read, ["", ".", "1.01", "2", "-0.5", "1e-2", "x"]);
});

/** The command line of a benchmark: which parts to run, and counts. */

/** Counts, and lists of counts, under the names that they have in the program. */
type Counts = Record<string, number | readonly number[]>;

/** What a benchmark can be told. */
export interface Choices<Part extends string, Numbers extends Counts> {
  /** All parts that `--only` knows. */
  parts: readonly Part[];
  /** Those that run without it. */
  usual: readonly Part[];
  /** Counts with their defaults; `keySteps` is `--key-steps`. */
  counts: Numbers;
}

/** What it was told. */
export type Chosen<Part extends string, Numbers extends Counts> = Numbers & {
  parts: ReadonlySet<Part>;
  /** Whether the results go into docs/benchmarks.md. */
  write: boolean;
};

/** Reads the arguments. @throws {Error} with one line for the user. */
export function readOptions<Part extends string, Numbers extends Counts>(
  args: readonly string[],
  { parts, usual, counts }: Choices<Part, Numbers>,
): Chosen<Part, Numbers> {
  let chosen = new Set(usual);
  let write = true;
  const read: Counts = { ...counts };
  const rest = [...args];
  while (rest.length > 0) {
    const [name = "", inline] = rest.shift()!.split("=", 2);
    if (name === "--no-write") {
      write = false;
      continue;
    }
    const value = inline ?? rest.shift();
    if (value === undefined) throw new Error(`Cannot read ${name}: it needs a value`);
    const count = Object.keys(counts).find((key) => optionOf(key) === name);
    if (name === "--only") chosen = new Set(value.split(",").map((part) => partOf(part, parts)));
    else if (count === undefined) throw new Error(`Cannot use ${name}: no such option`);
    else if (typeof counts[count] === "number") read[count] = positive(name, value);
    else read[count] = value.split(",").map((one) => positive(name, one));
  }
  return { ...(read as Numbers), parts: chosen, write };
}

function optionOf(name: string): string {
  return "--" + name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function partOf<Part extends string>(name: string, parts: readonly Part[]): Part {
  const part = parts.find((part) => part === name);
  if (part === undefined) throw new Error(`Cannot use --only ${name}: it is none of ${parts}`);
  return part;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`Cannot use ${name} ${text}: it must be a positive integer`);
  }
  return value;
}

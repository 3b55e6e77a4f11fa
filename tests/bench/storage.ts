/**
 * Measures the storage engine: beside `classic-level` (native LevelDB) in the same process, and alone
 * in one of its own. Same keys (16 bytes), same values, same durability, compaction going on.
 *
 * What a run found replaces the sections of docs/benchmarks.md that it is about. See `--help`. It
 * starts processes in order to kill them, hence all permissions.
 *
 * @module
 */
import { writeSections } from "./cluster/document.ts";
import { machineFacts } from "./cluster/machine.ts";
import { markdown, type Table } from "./cluster/table.ts";
import { measureAlone } from "./storage/alone.ts";
import { compare, type Comparison } from "./storage/comparison.ts";
import { Dataset } from "./storage/dataset.ts";
import { type Options, parseOptions, USAGE } from "./storage/options.ts";
import { aloneTable, comparisonTable, costTable, growthTable } from "./storage/tables.ts";

const VALUE_BYTES = 100;
const LARGE_VALUE_BYTES = 4096;

async function main(args: string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  const facts = await machineFacts([]);
  const command = ["deno task bench:storage", ...args].join(" ");
  const preamble = [`\`${command}\``, "", ...facts.map((fact) => `- ${fact}`)].join("\n");
  const publish = async (name: string, title: string, tables: readonly Table[]): Promise<void> => {
    const text = tables.map(markdown).join("\n\n");
    console.log(`\n${text}`);
    if (options.write) await writeSections([{ name, title, body: `${preamble}\n\n${text}` }]);
  };
  await run(options, publish);
  return 0;
}

/** Runs the chosen parts; what a part found is written before the next one begins. */
async function run(
  { parts, keys, rounds, largeKeys, keySteps }: Options,
  publish: (name: string, title: string, tables: readonly Table[]) => Promise<void>,
): Promise<void> {
  if (parts.has("compare")) {
    const found = await inDirectory((path) =>
      compare(path, new Dataset(keys, VALUE_BYTES), rounds)
    );
    await publish("storage-compare", "Storage: beside LevelDB", [comparisonTable(found)]);
  }
  if (parts.has("alone")) {
    const alone = await inDirectory((path) =>
      measureAlone(path, { keys, valueBytes: VALUE_BYTES })
    );
    await publish("storage-alone", "Storage: alone", [aloneTable(alone)]);
  }
  if (parts.has("large")) {
    const dataset = new Dataset(largeKeys, LARGE_VALUE_BYTES);
    const found = await inDirectory((path) => compare(path, dataset, rounds));
    await publish("storage-large", "Storage: values of 4 KiB", [comparisonTable(found)]);
  }
  if (parts.has("growth")) {
    const found: Comparison[] = [];
    for (const step of keySteps) {
      const dataset = new Dataset(step, VALUE_BYTES);
      found.push(await inDirectory((path) => compare(path, dataset, rounds)));
      // A step takes minutes: what there is stands in the document before the next one.
      await publish("storage-growth", "Storage: growth", [growthTable(found), costTable(found)]);
    }
  }
}

async function inDirectory<T>(work: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempDir({ prefix: "converge-bench-" });
  try {
    return await work(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));

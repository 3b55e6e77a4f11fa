/**
 * Measures the storage engine: beside `classic-level` (native LevelDB) in the same process, and alone
 * in one of its own. Same keys (16 bytes), same values, same durability, compaction going on.
 *
 * What a run found replaces the sections of docs/benchmarks.md that it is about. See `--help`. It
 * starts processes in order to kill them, hence all permissions.
 *
 * @module
 */
import { machineFacts } from "./cluster/machine.ts";
import type { Table } from "./cluster/table.ts";
import { measureAlone } from "./storage/alone.ts";
import { compare, type Comparison } from "./storage/comparison.ts";
import { Dataset } from "./storage/dataset.ts";
import { type Options, parseOptions, USAGE } from "./storage/options.ts";
import { aloneTable, comparisonTable, costTable, growthTable } from "./storage/tables.ts";
import { type Publish, runBenchmark } from "./program.ts";

const VALUE_BYTES = 100;
const LARGE_VALUE_BYTES = 4096;

async function run(
  { options, directory }: { options: Options; directory: string },
  publish: Publish,
): Promise<void> {
  const { parts, keys, rounds, largeKeys, keySteps } = options;
  const show = (name: string, title: string, tables: readonly Table[]): Promise<void> =>
    publish({ name: `storage-${name}`, title: `Storage: ${title}` }, tables);
  if (parts.has("compare")) {
    const found = await inDirectory(
      directory,
      (path) => compare(path, new Dataset(keys, VALUE_BYTES), rounds),
    );
    await show("compare", "beside LevelDB", [comparisonTable(found)]);
  }
  if (parts.has("alone")) {
    const alone = await inDirectory(
      directory,
      (path) => measureAlone(path, { keys, valueBytes: VALUE_BYTES }),
    );
    await show("alone", "alone", [aloneTable(alone)]);
  }
  if (parts.has("large")) {
    const dataset = new Dataset(largeKeys, LARGE_VALUE_BYTES);
    const found = await inDirectory(directory, (path) => compare(path, dataset, rounds));
    await show("large", "values of 4 KiB", [comparisonTable(found)]);
  }
  if (parts.has("growth")) {
    const found: Comparison[] = [];
    for (const step of keySteps) {
      const dataset = new Dataset(step, VALUE_BYTES);
      found.push(await inDirectory(directory, (path) => compare(path, dataset, rounds)));
      // A step takes minutes: what there is stands in the document before the next one.
      await show("growth", "growth", [growthTable(found), costTable(found)]);
    }
  }
}

async function inDirectory<T>(
  parent: string,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const path = await Deno.makeTempDir({ dir: parent });
  try {
    return await work(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

if (import.meta.main) {
  Deno.exit(
    await runBenchmark(Deno.args, {
      task: "bench:storage",
      usage: USAGE,
      parse: parseOptions,
      facts: () => machineFacts([]),
      run,
    }),
  );
}

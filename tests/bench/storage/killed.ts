/** Reopening after kill -9: another process fills the log of an engine and is killed. */
import { MEMTABLE_KEYS_MAX } from "../../../src/storage/store_writer.ts";
import { better, type Measured, NOTHING, type Row, rowLine, Sum } from "./comparison.ts";
import { ConvergeEngine } from "./converge_engine.ts";
import type { Dataset } from "./dataset.ts";
import type { Engine } from "./engine.ts";
import { LevelEngine } from "./level_engine.ts";

/** Bytes, or keys, after which a log is as good as full: just before the table is written. */
const OURS_FULL_BYTES = 15.5 * 1024 * 1024;
const OURS_FULL_RECORDS = MEMTABLE_KEYS_MAX - 100;
const THEIRS_FULL_BYTES = 3.5 * 1024 * 1024;
/** What a record takes in our log, and in theirs, beside its value. */
const OURS_RECORD_BYTES = 66;
const THEIRS_RECORD_BYTES = 40;

const ROUNDS = 5;

/** Names that the filler knows. */
export const ENGINES = ["converge", "level"] as const;

/** @param directory The engines' files go into new directories in it. */
export async function killedRows(directory: string, dataset: Dataset): Promise<Row[]> {
  const { valueBytes } = dataset;
  const ours = Math.min(
    OURS_FULL_RECORDS,
    Math.floor(OURS_FULL_BYTES / (OURS_RECORD_BYTES + valueBytes)),
  );
  const theirs = Math.floor(THEIRS_FULL_BYTES / (THEIRS_RECORD_BYTES + valueBytes));
  return [
    await row(`reopen after kill -9, the same ${theirs} records in the log`, [theirs, theirs]),
    await row("reopen after kill -9, each with its own log full", [ours, theirs]),
  ];

  async function row(name: string, records: readonly [number, number]): Promise<Row> {
    const best: Measured[] = [NOTHING, NOTHING];
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, kind] of ENGINES.entries()) {
        const path = `${directory}/killed-${kind}`;
        await fillAndKill(kind, { path, records: records[i]!, valueBytes });
        const engine: Engine = kind === "converge"
          ? new ConvergeEngine(path, dataset.cacheBytes)
          : new LevelEngine(path, dataset.cacheBytes);
        const sum = new Sum();
        await sum.measure(async () => {
          await engine.open(true);
          return 1;
        });
        if (engine.get(dataset.key(records[i]! - 1)) !== valueBytes) {
          throw new Error(`${kind} lost what it had taken`);
        }
        await engine.close();
        await Deno.remove(path, { recursive: true });
        best[i] = better(best[i]!, sum.measured);
      }
    }
    const made: Row = { name, target: 1, ours: best[0]!, theirs: best[1]! };
    console.error(rowLine(made));
    return made;
  }
}

async function fillAndKill(
  kind: (typeof ENGINES)[number],
  { path, records, valueBytes }: { path: string; records: number; valueBytes: number },
): Promise<void> {
  const script = new URL(import.meta.resolve("./filler.ts")).pathname;
  const args = ["run", "--quiet", "--no-prompt", "--allow-all", script];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, kind, path, String(records), String(valueBytes)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  // It says one word when it has written all, and then waits to be killed.
  const { done } = await reader.read();
  if (done) throw new Error(`the process that fills ${kind} has ended`);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
}

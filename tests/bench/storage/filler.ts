/** Fills the log of one engine, says so and waits to be killed. Started by `killed.ts`. */
import { ConvergeEngine } from "./converge_engine.ts";
import { Dataset } from "./dataset.ts";
import { LevelEngine } from "./level_engine.ts";

const BATCH = 100;

const [kind, directory, records, valueBytes] = Deno.args;
const dataset = new Dataset(Number(records), Number(valueBytes));
const engine = kind === "converge" ? new ConvergeEngine(directory!) : new LevelEngine(directory!);
await engine.open(true);
for (let i = 0; i < dataset.keys; i += BATCH) {
  await engine.putBatch(dataset.entries(i, BATCH));
}
await Deno.stdout.write(new TextEncoder().encode("full\n"));
// Longer than anybody waits; a timer keeps the process alive.
setInterval(() => {}, 60_000);

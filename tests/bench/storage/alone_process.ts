/** Loads this engine, watches the event loop and prints one line of JSON. Started by `alone.ts`. */
import { setImmediate } from "node:timers";
import { residentBytes } from "../cluster/process_facts.ts";
import type { Alone } from "./alone.ts";
import { Sum } from "./comparison.ts";
import { ConvergeEngine } from "./converge_engine.ts";
import { Dataset } from "./dataset.ts";
import { directoryBytes } from "./engine.ts";

const BATCH = 100;
/** Durable puts of the second phase, and how many wait at a time. */
const DURABLE_PUTS = 200_000;
const WAITING = 100;
/** How long the machine alone is watched, with turns of which length. */
const FLOOR_MS = 5_000;
const SLICE_MS = 2;

const [directory, keys, valueBytes] = Deno.args;
const dataset = new Dataset(Number(keys), Number(valueBytes));
const engine = new ConvergeEngine(directory!);

/** Gaps between turns of the event loop, beyond what a timer takes anyway. */
function watchLoop(): () => Alone["stallMs"] {
  const gaps: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    gaps.push(Math.max(0, now - last - 1));
    last = now;
  }, 1);
  return () => {
    clearInterval(timer);
    gaps.sort((a, b) => a - b);
    const at = (share: number) => gaps[Math.floor((gaps.length - 1) * share)] ?? 0;
    return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
  };
}

function residentMaxBytes(): number {
  const kib = /^VmHWM:\s+(\d+) kB/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
  return Number(kib) * 1024;
}

/** Turns that only count for as long as a slice of the engine may take: what the machine does by itself. */
async function machineStalls(): Promise<Alone["stallMs"]> {
  const stop = watchLoop();
  const end = performance.now() + FLOOR_MS;
  while (performance.now() < end) {
    const sliceEnd = performance.now() + SLICE_MS;
    while (performance.now() < sliceEnd);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return stop();
}

const floorStallMs = await machineStalls();
await engine.open(false);
const sum = new Sum();
const stopLoad = watchLoop();
await sum.measure(async () => {
  for (let i = 0; i < dataset.keys; i += BATCH) {
    await engine.putBatch(dataset.entries(i, BATCH));
  }
  return dataset.keys;
});
const stallMs = stopLoad();
await sum.measure(async () => {
  await engine.settle();
  return 0;
});
// The total of flushed bytes is not counted by the store; each record is flushed once, about as long
// as it is in the log.
const recordBytes = engine.mutation(dataset.entry(0)).record.frame.byteLength;
const { compactedBytesTotal } = engine.store.statistics();
const putBytes = dataset.keys * recordBytes;
const space = directoryBytes(directory!);
await engine.close();

await engine.open(true);
const stopDurable = watchLoop();
let left = Math.min(DURABLE_PUTS, dataset.keys * 2);
await Promise.all(Array.from({ length: WAITING }, async () => {
  while (left-- > 0) {
    await engine.put(dataset.entry(dataset.pick()));
    engine.get(dataset.key(dataset.pick()));
  }
}));
const durableStallMs = stopDurable();
await engine.settle();
const alone: Alone = {
  keys: dataset.keys,
  valueBytes: dataset.valueBytes,
  ...sum.measured,
  floorStallMs,
  stallMs,
  durableStallMs,
  residentBytes: residentBytes(Deno.pid),
  residentMaxBytes: residentMaxBytes(),
  writeAmplification: 2 + compactedBytesTotal / putBytes,
  compactedShare: compactedBytesTotal / putBytes,
  spaceOfRecords: space / putBytes,
  spaceOfData: space / dataset.bytes,
};
console.log(JSON.stringify(alone));
await engine.close();

/** Runs many seeds, in this thread or in Workers started from the program's own entry. */
import { runSeed, type SeedOptions, type SeedSummary } from "../simulation/run_seed.ts";

/** The name of such a Worker: the entry calls {@linkcode serveSeeds} when it finds itself called so. */
export const SEED_WORKER_NAME = "simulation";

/** What to run. */
export interface PoolOptions extends SeedOptions {
  firstSeed: number;
  seeds: number;
  jobs: number;
  /** URL of the program's entry, for Workers. */
  entry: string;
  /**
   * Told of every verdict, in whatever order they come; answers whether to begin more seeds. Those
   * under way are still told: all seeds before any that was told are, in the end.
   */
  onSummary(summary: SeedSummary): boolean;
}

type ToWorker = { seed: number; options: SeedOptions };
/** `loaded` comes first: what is posted to a Worker before it listens may get lost. */
type FromWorker = { loaded: true } | { summary: SeedSummary } | { failure: string };

/** Resolves when all seeds have run, or `onSummary` wanted no more. */
export async function runSeeds(options: PoolOptions): Promise<void> {
  const { firstSeed, seeds, jobs, entry, onSummary, ...seedOptions } = options;
  let next = firstSeed;
  let wanted = true;
  const take = () => wanted && next < firstSeed + seeds ? next++ : undefined;
  const run = jobs <= 1
    ? [(seed: number) => runSeed(seed, seedOptions)]
    : Array.from({ length: Math.min(jobs, seeds) }, () => workerRunner(entry, seedOptions));
  await Promise.all(run.map(async (runOne) => {
    for (let seed = take(); seed !== undefined; seed = take()) {
      const summary = await runOne(seed);
      if (!onSummary(summary)) wanted = false;
    }
    if ("close" in runOne) (runOne as WorkerRunner).close();
  }));
}

/** Runs in a Worker: carries out the seeds that it is sent. */
export function serveSeeds(): void {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<ToWorker>) => void;
    postMessage(message: FromWorker): void;
  };
  scope.onmessage = ({ data: { seed, options } }) => {
    runSeed(seed, options).then(
      (summary) => scope.postMessage({ summary }),
      (error) => scope.postMessage({ failure: String(error) }),
    );
  };
  scope.postMessage({ loaded: true });
}

interface WorkerRunner {
  (seed: number): Promise<SeedSummary>;
  close(): void;
}

function workerRunner(entry: string, options: SeedOptions): WorkerRunner {
  const worker = new Worker(entry, { type: "module", name: SEED_WORKER_NAME });
  const loaded = Promise.withResolvers<void>();
  let settle = Promise.withResolvers<SeedSummary>();
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    if ("loaded" in data) loaded.resolve();
    else if ("summary" in data) settle.resolve(data.summary);
    else settle.reject(new Error(data.failure));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    loaded.resolve();
    settle.reject(new Error(`Cannot run seeds in a Worker: ${event.message}`));
  };
  const run = async (seed: number) => {
    settle = Promise.withResolvers<SeedSummary>();
    await loaded.promise;
    worker.postMessage({ seed, options } satisfies ToWorker);
    return await settle.promise;
  };
  return Object.assign(run, { close: () => worker.terminate() });
}

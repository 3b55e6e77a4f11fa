/** What must stay bounded in a node, measured while it runs. */
import type { SimulatedNode } from "./world/simulated_node.ts";
import type { Measurement } from "./evidence/evidence.ts";

/** Far beyond what the few clients of a run need. */
const TIMERS_MAX = 2_000;
/** Memtables at once: the one that is written to, and those that wait for the flush. */
const MEMTABLES_MAX = 2;
/** What one group may add to a memtable that was just below its bound. */
const GROUP_BYTES_MAX = 16 * 1024;
/** Hints that are on their way to the disk when the bound is reached. */
const HINTS_ON_THE_WAY_BYTES_MAX = 4 * 1024;

/** Of long values a group may hold so many at once. */
const GROUP_VALUES_MAX = 8;

/** What a node has too much of. @param valueBytesMax Bytes of the longest value. */
export function excessOf(
  { name, startedWith: config, clock, store }: SimulatedNode,
  { atMs, valueBytesMax }: { atMs: number; valueBytesMax: number },
): Measurement[] {
  if (clock === undefined || store === undefined) return [];
  const { memtableBytes, cacheBytes } = store.statistics();
  const groupBytesMax = Math.max(GROUP_BYTES_MAX, GROUP_VALUES_MAX * valueBytesMax);
  const hintsOnTheWayBytesMax = Math.max(
    HINTS_ON_THE_WAY_BYTES_MAX,
    GROUP_VALUES_MAX * valueBytesMax,
  );
  const quantities: [what: string, value: number, bound: number][] = [
    ["timers", clock.pendingTimers, TIMERS_MAX],
    ["bytes of hints", store.hintBytes, config.hintBytesMax + hintsOnTheWayBytesMax],
    [
      "bytes in memtables",
      memtableBytes,
      MEMTABLES_MAX * (config.memtableBytes + groupBytesMax),
    ],
    ["bytes in the cache", cacheBytes, config.cacheBytes],
  ];
  return quantities.filter(([, value, bound]) => value > bound)
    .map(([what, value, bound]) => ({ node: name, what, value, bound, atMs }));
}

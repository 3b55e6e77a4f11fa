/** Many requests at once, but not too many. */

/** How much may be under way. */
export interface WorkBounds<T> {
  /** Calls at most, or what they weigh together. */
  concurrency: number;
  /** How many calls one counts for; default: 1. What is heavier than all that is allowed goes alone. */
  weightOf?: (item: T) => number;
}

/**
 * Calls `work` for every item, so much of it under way. The first failure ends it once the calls under
 * way have settled.
 *
 * @throws What the first failing call threw, or what `items` threw.
 */
export async function forEachBounded<T>(
  items: AsyncIterable<T>,
  { concurrency, weightOf = () => 1 }: WorkBounds<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let weight = 0;
  try {
    for await (const item of items) {
      const more = weightOf(item);
      while (weight > 0 && weight + more > concurrency) await Promise.race(running);
      if (failures.length > 0) break;
      weight += more;
      const call: Promise<void> = work(item).catch((error) => void failures.push(error))
        .finally(() => {
          running.delete(call);
          weight -= more;
        });
      running.add(call);
    }
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
}

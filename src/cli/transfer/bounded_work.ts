/** Many requests at once, but not too many. */

/**
 * Calls `work` for every item, at most `concurrency` calls under way. The first failure ends it
 * once the calls under way have settled.
 *
 * @throws What the first failing call threw, or what `items` threw.
 */
export async function forEachBounded<T>(
  items: AsyncIterable<T>,
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  try {
    for await (const item of items) {
      const call: Promise<void> = work(item).catch((error) => void failures.push(error))
        .finally(() => running.delete(call));
      running.add(call);
      if (running.size >= concurrency) await Promise.race(running);
      if (failures.length > 0) break;
    }
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
}

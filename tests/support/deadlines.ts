/** Deadlines that pass when a test says so, however slow the machine: a short one might pass early. */

/** Takes over timers that are set for `delayMs`, which no others should be. */
export function deadlinesOf(delayMs: number): Disposable & { pass(): void } {
  const { setTimeout } = globalThis;
  let latest = () => {};
  globalThis.setTimeout = ((work: () => void, ms: number) => {
    if (ms === delayMs) latest = work;
    return setTimeout(work, ms);
  }) as typeof setTimeout;
  return {
    /** The one that was set last passes now. */
    pass: () => latest(),
    [Symbol.dispose]: () => void Object.assign(globalThis, { setTimeout }),
  };
}

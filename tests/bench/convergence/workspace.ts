/** What every part of the benchmark works with. */
import type { Options } from "./options.ts";

/** Passed to each part. */
export interface Workspace {
  options: Options;
  /** Temporary, removed at the end. */
  directory: string;
}

const POLL_MS = 100;

/** Polls until `condition` holds; gives the milliseconds that it took. */
export async function untilMs(
  what: string,
  condition: () => Promise<boolean>,
  deadlineMs = 230_000,
): Promise<number> {
  const startMs = performance.now();
  while (!await condition()) {
    if (performance.now() - startMs > deadlineMs) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return performance.now() - startMs;
}

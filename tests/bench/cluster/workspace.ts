/** What every part of the benchmark works with. */
import type { Options } from "./options.ts";

/** Passed to each part. */
export interface Workspace {
  options: Options;
  /** Temporary, removed at the end. */
  directory: string;
}

/** Tells the person who waits. */
export function say(text: string): void {
  console.log(text);
}

/** Sleeps. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

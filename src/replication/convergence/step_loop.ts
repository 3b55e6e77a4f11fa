/** Takes step after step towards an aim, and tries again what fails. */
import { isTransient } from "../../errors.ts";
import { type Clock, delay } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import { Reminder } from "../../platform/reminder.ts";

/** What is to be done step by step, and what is logged when it does not get on. */
export interface StepLoopOptions {
  clock: Clock;
  log: Log;
  /** Event that is logged where steps fail. */
  event: string;
  /** Whether there is still something to be done. */
  goesOn(): boolean;
  /** Whether to end at once, without a word of failures. */
  isStopped(): boolean;
  step(): Promise<void>;
  /** Called in the turn in which nothing is left to be done: whatever comes next begins it anew. */
  onEnd(): void;
}

/** Pause before what failed is tried again. */
export const RETRY_MS = 500;
const STEP_MS = 50;
/** Failures in a row, of a kind that passes by itself, for each line in the log: half a minute. */
const FAILURES_PER_WARNING = 60;

/** Resolves when there is nothing left to be done, or it was stopped. Never rejects. */
export async function takeSteps(options: StepLoopOptions): Promise<void> {
  const { clock, log, event } = options;
  const reminder = new Reminder(clock);
  let failures = 0;
  while (!options.isStopped() && options.goesOn()) {
    try {
      await options.step();
      failures = 0;
      reminder.end();
      await delay(clock, STEP_MS);
    } catch (error) {
      if (options.isStopped()) return;
      // What passes by itself is no news, unless it does not pass.
      const lasts = ++failures % FAILURES_PER_WARNING === 0;
      if (isTransient(error) ? lasts : reminder.isDue()) log.warn(event, { why: String(error) });
      await delay(clock, RETRY_MS);
    }
  }
  options.onEnd();
}

/** Works on each item in turn, even after failures; rejects with the last failure. */
export async function withEach<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  let failure: unknown;
  for (const item of items) {
    try {
      await work(item);
    } catch (error) {
      failure = error;
    }
  }
  if (failure !== undefined) throw failure;
}

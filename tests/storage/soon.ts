/** Waits for what ends by itself, without a clock. */
import { assert } from "@std/assert";

/** What a promise resolves to. @throws when that takes many turns. */
export async function soon<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false;
  promise.finally(() => isSettled = true).catch(() => {});
  for (let i = 0; i < 20_000 && !isSettled; i++) await Promise.resolve();
  assert(isSettled, "it waits for ever");
  return await promise;
}

/** Lets everything go on that needs no clock. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 2_000; i++) await Promise.resolve();
}

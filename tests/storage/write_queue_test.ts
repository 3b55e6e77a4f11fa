import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../src/errors.ts";
import { QUEUED_BYTES_MAX, WriteQueue } from "../../src/storage/write_queue.ts";
import { put } from "./store_conformance.ts";

const LARGE = [put("large", 1, { value: "x".repeat(2 ** 20) })];

/** Pushes until one is refused. Returns how many were taken. */
async function fill(queue: WriteQueue): Promise<number> {
  let refusal: unknown;
  let taken = 0;
  for (; refusal === undefined && taken < 1_000; taken++) {
    queue.push(LARGE).catch((error) => refusal = error);
    await Promise.resolve();
  }
  assert(refusal instanceof ConvergeError && refusal.code === "overloaded");
  return taken - 1;
}

Deno.test("WriteQueue: bytes that wait have a bound, and room again once they are taken", async () => {
  const queue = new WriteQueue();
  const taken = await fill(queue);
  assertEquals(taken, QUEUED_BYTES_MAX / 2 ** 20 - 1); // each is a little more than a MiB
  while (!queue.isEmpty) queue.take(2 ** 22);
  assertEquals(await fill(queue), taken);
});

Deno.test("WriteQueue.rejectAll(): nobody goes on waiting, for a write or for a freeze", async () => {
  const queue = new WriteQueue();
  const waiting = [queue.push(LARGE), queue.requestFreeze()];
  queue.rejectAll(new ConvergeError("disk_failed", "Cannot write any more"));
  for (const call of waiting) await assertRejects(() => call, ConvergeError, "any more");
  assert(queue.isEmpty);
});

/** Puts in batches: what goes together, and how much at once. */
import { assertEquals } from "@std/assert";
import type { BatchAnswer, BatchOperation, ConvergeClient } from "../../../src/client/client.ts";
import { PutBatcher } from "../../../src/cli/transfer/put_batcher.ts";

/** A client that only notes what it is asked for; its batches are answered on demand. */
class NotingClient {
  readonly batches: number[] = [];
  readonly singles: string[] = [];
  readonly answers: (() => void)[] = [];

  batch(operations: readonly BatchOperation[]): Promise<BatchAnswer[]> {
    this.batches.push(operations.length);
    const { promise, resolve } = Promise.withResolvers<BatchAnswer[]>();
    this.answers.push(() => resolve(operations.map(() => ({ version: "1-a" }))));
    return promise;
  }

  put(key: string): Promise<string> {
    this.singles.push(key);
    return Promise.resolve("1-a");
  }
}

/** Puts values of so many bytes at once, and answers all batches that come of it. */
async function sizesOf(
  values: number[],
  keyOf = (i: number) => `k${i}`,
): Promise<{ batches: number[]; singles: string[] }> {
  const client = new NotingClient();
  const batcher = new PutBatcher(client as unknown as ConvergeClient);
  let done = 0;
  const puts = values.map((bytes, i) =>
    batcher.put(keyOf(i), new Uint8Array(bytes), {}).then(() => done++)
  );
  while (client.answers.length > 0) {
    client.answers.shift()!();
    await new Promise((resolve) => setTimeout(resolve));
  }
  await Promise.all(puts);
  assertEquals(done, values.length);
  return { batches: client.batches, singles: client.singles };
}

Deno.test("PutBatcher: what waits for two batches goes together, a thousand at most", async () => {
  const { batches } = await sizesOf(Array(2_500).fill(1));
  assertEquals(batches, [1, 1, 1_000, 1_000, 498]);
});

Deno.test("PutBatcher: a batch ends where a node's room for it could, large values go alone", async () => {
  const KiB = 1_024;
  const values = [1, 1, 200 * KiB, 56 * KiB, 1, 256 * KiB, 256 * KiB + 1];
  const { batches, singles } = await sizesOf(values);
  assertEquals([batches, singles], [[1, 1, 2, 1, 1], ["k6"]]);
});

Deno.test("PutBatcher: of long keys, which are six times as long in JSON, few go together", async () => {
  const { batches } = await sizesOf(Array(100).fill(1), (i) => `${i}`.padEnd(2_048, "\u0001"));
  assertEquals(batches, [1, 1, 42, 42, 14]);
});

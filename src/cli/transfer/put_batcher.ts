/** Puts in batches: what comes while some are under way goes together in the next. */
import { keysOfBatch } from "../../client/batch.ts";
import type { BatchAnswer, ClientKey, ConvergeClient, PutOptions } from "../../client/client.ts";

/** One put that waits for its batch, and who waits for it. */
interface WaitingPut {
  readonly put: { op: "put"; key: ClientKey; bytes: Uint8Array } & PutOptions;
  readonly answered: PromiseWithResolvers<BatchAnswer>;
}

const BATCHES_UNDER_WAY = 2;
/** A node takes 1000 operations, and at least 1 MiB, values in base64. */
const OPERATIONS_MAX = 1_000;
const BATCH_BYTES_MAX = 256 * 1024;

/** Puts by way of one client. */
export class PutBatcher {
  readonly #client: ConvergeClient;
  readonly #waiting: WaitingPut[] = [];
  #underWay = 0;

  constructor(client: ConvergeClient) {
    this.#client = client;
  }

  /** Stores a value. @throws {ClientError} */
  async put(key: ClientKey, bytes: Uint8Array, options: PutOptions): Promise<void> {
    if (bytes.byteLength > BATCH_BYTES_MAX) {
      await this.#client.put(key, bytes, options);
      return;
    }
    const answered = Promise.withResolvers<BatchAnswer>();
    this.#waiting.push({ put: { op: "put", key, bytes, ...options }, answered });
    this.#begin();
    const { error } = await answered.promise;
    if (error !== undefined) throw error;
  }

  #begin(): void {
    while (this.#underWay < BATCHES_UNDER_WAY && this.#waiting.length > 0) {
      this.#underWay += 1;
      void this.#send(this.#take()).finally(() => {
        this.#underWay -= 1;
        this.#begin();
      });
    }
  }

  /** What fits into one batch, in order: at least one. */
  #take(): WaitingPut[] {
    let bytes = 0;
    let count = 0;
    for (const { put } of this.#waiting.slice(0, OPERATIONS_MAX)) {
      bytes += put.bytes.byteLength;
      if (count > 0 && bytes > BATCH_BYTES_MAX) break;
      count += 1;
    }
    const keys = this.#waiting.slice(0, count).map(({ put }) => put.key);
    return this.#waiting.splice(0, keysOfBatch(keys));
  }

  async #send(batch: WaitingPut[]): Promise<void> {
    try {
      const answers = await this.#client.batch(batch.map(({ put }) => put));
      for (const [i, { answered }] of batch.entries()) answered.resolve(answers[i]!);
    } catch (error) {
      for (const { answered } of batch) answered.reject(error);
    }
  }
}

import { ConvergeError } from "../../src/errors.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { type ApplyResult, META, type Mutation } from "../../src/storage/store.ts";

/** Of the documents of a node it writes none while told so. */
export class ForgetfulStore extends MemoryStore {
  isFull = false;

  override apply(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    const isWritten = !this.isFull || mutations.every(({ keyspace }) => keyspace !== META);
    if (isWritten) return super.apply(mutations);
    return Promise.reject(new ConvergeError("disk_full", "Cannot write: no space"));
  }
}

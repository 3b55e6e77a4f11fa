import type { Entry } from "./dataset.ts";

/** One engine under test. */
export interface Engine {
  readonly directory: string;
  /** @param sync Whether a put waits for the device. */
  open(sync: boolean): Promise<void>;
  put(entry: Entry): Promise<unknown>;
  putBatch(entries: readonly Entry[]): Promise<unknown>;
  /** Bytes of the value, undefined when absent. */
  get(key: string): number | undefined;
  getAsync(key: string): Promise<number | undefined>;
  /** Records from `start` on, up to `limit`; how many there were. */
  scan(start: string, limit: number): Promise<number> | number;
  /** Waits until compaction has nothing to do. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** Bytes of the files in a directory. */
export function directoryBytes(directory: string): number {
  let bytes = 0;
  for (const { name, isFile } of Deno.readDirSync(directory)) {
    if (isFile) bytes += Deno.statSync(`${directory}/${name}`).size;
  }
  return bytes;
}

/**
 * The smallest store that survives a crash: the reference store in memory and one file that every
 * batch is appended to. With it in place of the engine (`--store journal`) a failing seed tells
 * whether the fault lies in storage or above it.
 */
import { Buffer } from "node:buffer";
import { ConvergeError } from "../errors.ts";
import type { AppendFile, Disk } from "../platform/disk.ts";
import { FRAME_HEADER_BYTES, frameOf } from "../record/frame.ts";
import { decodeFrame } from "../record/record_line.ts";
import { MemoryStore } from "../storage/memory_store.ts";
import type {
  ApplyResult,
  Keyspace,
  Mutation,
  Scan,
  ScanOptions,
  Snapshot,
  Store,
  StoreStatistics,
} from "../storage/store.ts";
import type { Key } from "../record/key.ts";
import type { StoredRecord } from "../record/record.ts";
import { crc32 } from "node:zlib";

/** What the store needs of its node. */
export interface JournalStoreOptions {
  readonly directory: string;
  readonly disk: Disk;
  /** Told once when the disk failed; nothing is accepted afterwards. */
  onFatal?(error: ConvergeError): void;
}

const LF = 10;
const decoder = new TextDecoder();

/** A store over one journal. Invariant: memory holds exactly the batches that were synced. */
export class JournalStore implements Store {
  readonly #memory = new MemoryStore();
  readonly #journal: AppendFile;
  readonly #onFatal: ((error: ConvergeError) => void) | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #failure: ConvergeError | undefined;

  private constructor(journal: AppendFile, onFatal: ((error: ConvergeError) => void) | undefined) {
    this.#journal = journal;
    this.#onFatal = onFatal;
  }

  /** @throws {ConvergeError} `disk_failed`, `disk_full`. */
  static async open({ directory, disk, onFatal }: JournalStoreOptions): Promise<JournalStore> {
    disk.makeDirectory(directory);
    const path = `${directory}/journal`;
    const sizeBytes = disk.fileSize(path) ?? 0;
    const bytes = sizeBytes === 0 ? new Uint8Array() : disk.openRead(path).readAt(0, sizeBytes);
    const batches: Mutation[][] = [];
    const validBytes = readBatches(bytes, batches);
    // What the last life failed to sync may be in the cache only, and no later sync of that file
    // would bring it to the device: a new file does.
    const fresh = `${path}.tmp`;
    disk.remove(fresh);
    const journal = disk.openAppend(fresh);
    journal.append(bytes.subarray(0, validBytes));
    await journal.sync();
    disk.rename(fresh, path);
    await disk.syncDirectory(directory);
    const store = new JournalStore(journal, onFatal);
    for (const batch of batches) await store.#memory.apply(batch);
    return store;
  }

  apply(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    const applied = this.#last.then(() => this.#applyNext(mutations));
    this.#last = applied.catch(() => {});
    return applied;
  }

  get(keyspace: Keyspace, key: Key): StoredRecord | undefined {
    return this.#memory.get(keyspace, key);
  }

  locate(keyspace: Keyspace, key: Key): string | undefined {
    return this.#memory.locate(keyspace, key);
  }

  scan(keyspace: Keyspace, options?: ScanOptions): Scan {
    return this.#memory.scan(keyspace, options);
  }

  snapshot(): Snapshot {
    return this.#memory.snapshot();
  }

  /** Every batch is synced before it is answered. */
  sync(): Promise<void> {
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  checkpoint(directory: string): Promise<void> {
    return this.#memory.checkpoint(directory);
  }

  highestCounter(): number {
    return this.#memory.highestCounter();
  }

  lastLoss(): number {
    return this.#memory.lastLoss();
  }

  statistics(): StoreStatistics {
    return { ...this.#memory.statistics(), logBytes: this.#journal.sizeBytes };
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#memory.close();
  }

  async #applyNext(mutations: readonly Mutation[]): Promise<ApplyResult[]> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#journal.append(frameOf(JSON.stringify(mutations.map(encodeMutation))));
      await this.#journal.sync();
    } catch (cause) {
      // Also for a full disk: part of the batch may be in the file, and nothing may follow it.
      this.#failure = new ConvergeError("disk_failed", "Cannot write the journal", { cause });
      this.#onFatal?.(this.#failure);
      throw this.#failure;
    }
    return this.#memory.apply(mutations);
  }
}

type EncodedMutation = [keyspace: Keyspace, erase: 0 | 1, frame: string];

function encodeMutation({ keyspace, erase, record }: Mutation): EncodedMutation {
  return [keyspace, erase === true ? 1 : 0, Buffer.from(record.frame).toString("base64")];
}

function decodeMutation([keyspace, erase, frame]: EncodedMutation): Mutation {
  const bytes = new Uint8Array(Buffer.from(frame, "base64"));
  return { keyspace, erase: erase === 1, record: decodeFrame(bytes, 0, bytes.byteLength) };
}

/** Reads whole batches; the answer is where the last valid one ends. */
function readBatches(bytes: Uint8Array, batches: Mutation[][]): number {
  let start = 0;
  for (;;) {
    const feed = bytes.indexOf(LF, start);
    if (feed < 0) return start;
    const json = bytes.subarray(start + FRAME_HEADER_BYTES, feed);
    const checksum = crc32(json).toString(16).padStart(8, "0");
    if (decoder.decode(bytes.subarray(start, start + 8)) !== checksum) return start;
    batches.push((JSON.parse(decoder.decode(json)) as EncodedMutation[]).map(decodeMutation));
    start = feed + 1;
  }
}

/**
 * Hinted handoff (DeCandia et al., "Dynamo", SOSP 2007, section 4.6): what an owner missed is kept on
 * the coordinator's disk and delivered when the owner is back. A hint is no ack; it only shortens the
 * time until replicas agree. Bounded; what is dropped is left to anti-entropy.
 */
import type { StoredRecord } from "../../record/record.ts";
import { sizeOf } from "../../record/record_line.ts";
import type { ApplyResult } from "../../storage/store.ts";
import { BatchLane } from "../peers/batch_lane.ts";
import type { HintCounts, HintTotals } from "../counts.ts";
import { WaitingHints, type WaitingHintsOptions } from "./waiting_hints.ts";

/** What hinted handoff is made of. */
export interface HintedHandoffOptions extends WaitingHintsOptions {
  /** Bytes of all hints at most. */
  bytesMax: number;
}

const DELIVERY_INTERVAL_MS = 500;

interface NewHint {
  readonly name: string;
  readonly record: StoredRecord;
}

/** The hints of one node for all others. */
export class HintedHandoff {
  readonly #options: HintedHandoffOptions;
  readonly #waiting = new Map<string, WaitingHints>();
  readonly #adding: BatchLane<NewHint>;
  readonly #totals: HintTotals = { added: 0, delivered: 0, dropped: 0 };
  #started = false;
  #stopped = false;

  constructor(options: HintedHandoffOptions) {
    this.#options = options;
    this.#adding = new BatchLane<NewHint>(
      options.clock,
      {
        inFlightMax: 1,
        batchBytesMax: 2 ** 20,
        batchEntriesMax: 1024,
        queueBytesMax: 2 ** 24,
        gathers: true,
      },
      ({ record }) => sizeOf(record),
      (batch) => this.#store(batch),
    );
  }

  /** Finds hints left by an earlier life for `names`, and delivers from now on. */
  start(names: Iterable<string>): void {
    for (const name of names) this.#waitingFor(name).start();
    if (!this.#started) this.#schedule();
    this.#started = true;
  }

  /** A node that is a member no more gets nothing: what waits for it is dropped. */
  forget(name: string): void {
    this.#waiting.get(name)?.forget();
  }

  stop(): void {
    this.#stopped = true;
    for (const waiting of this.#waiting.values()) waiting.stop();
  }

  counts(): HintCounts {
    const waiting: Record<string, number> = {};
    for (const [name, { records }] of this.#waiting) if (records > 0) waiting[name] = records;
    return { ...this.#totals, waiting };
  }

  /** Delivers what waits for a node, without waiting for its turn. Never rejects. */
  async deliver(name: string): Promise<void> {
    if (this.#started && !this.#stopped) await this.#waiting.get(name)?.deliver();
  }

  /** As `deliver`, to a node that was silent and is back. */
  async deliverAnew(name: string): Promise<void> {
    if (this.#started && !this.#stopped) await this.#waiting.get(name)?.deliverAnew();
  }

  /** As `WaitingHints.isCatchingUp`. */
  isCatchingUp(name: string): boolean {
    return this.#waiting.get(name)?.isCatchingUp ?? false;
  }

  /** Keeps a record for an owner that missed it. */
  add(name: string, record: StoredRecord): void {
    const full = this.#bytes() + sizeOf(record) > this.#options.bytesMax;
    if (full || !this.#adding.push({ name, record })) this.#totals.dropped++;
  }

  async #store(batch: NewHint[]): Promise<void> {
    // Of one key only the newest hint stays: what it replaces takes no room any more.
    const kept = new Map<string, StoredRecord | undefined>();
    for (const { name, record } of batch) {
      kept.set(`${name} ${record.key}`, this.#waitingFor(name).get(record.key));
    }
    let results: ApplyResult[];
    try {
      results = await this.#options.store.apply(
        batch.map(({ name, record }) => ({ keyspace: this.#waitingFor(name).keyspace, record })),
      );
    } catch {
      this.#totals.dropped += batch.length;
      return;
    }
    batch.forEach(({ name, record }, i) => {
      this.#totals.added++;
      if (results[i] !== "stored") return;
      this.#waitingFor(name).onStored(record, kept.get(`${name} ${record.key}`));
      kept.set(`${name} ${record.key}`, record);
    });
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#options.clock.setTimer(DELIVERY_INTERVAL_MS, () => {
      for (const waiting of this.#waiting.values()) void waiting.deliver();
      this.#schedule();
    });
  }

  #waitingFor(name: string): WaitingHints {
    let waiting = this.#waiting.get(name);
    if (waiting === undefined) {
      waiting = new WaitingHints(name, this.#totals, this.#options);
      if (this.#stopped) waiting.stop();
      this.#waiting.set(name, waiting);
    }
    return waiting;
  }

  #bytes(): number {
    let bytes = this.#adding.queuedBytes;
    for (const waiting of this.#waiting.values()) bytes += waiting.bytes;
    return bytes;
  }
}

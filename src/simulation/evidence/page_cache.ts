/**
 * What nodes may lose that answer before the device has what they answer for (`--durability`): the
 * documented loss, and no more than that.
 */
import type { NodeConfig } from "../../config.ts";
import { noDiskFaults } from "../virtual/disk_faults.ts";
import type { PowerFailure } from "./evidence.ts";
import type { Operation } from "./history.ts";

/** Beyond an interval: its timer, the turn in which the fsync begins, and a usual fsync. */
const SLACK_MS = 10;

/** How much of one node's answers is durable, over all of its lives. */
export class PageCache {
  /** That of the life that runs, or ran last. */
  #durability: NodeConfig["durability"];
  /** The last moment of which it is certain that everything before was synced. */
  #syncedMs = 0;
  /** Stretches in which no timer came: it was paused, or dead. */
  readonly #halts: { fromMs: number; toMs: number }[] = [];
  #slowestSyncMs = noDiskFaults().syncMs[1];

  constructor(durability: NodeConfig["durability"]) {
    this.#durability = durability;
  }

  /** Whether the device has what is answered for. */
  get isBypassed(): boolean {
    return this.#durability.mode === "fsync";
  }

  /** All is on the device: the node has started, which syncs what is found. */
  started(nowMs: number, durability: NodeConfig["durability"]): void {
    this.#durability = durability;
    this.synced(nowMs);
  }

  /** All is on the device: the node has stopped. */
  synced(nowMs: number): void {
    this.#syncedMs = nowMs;
    this.resumed(nowMs);
  }

  /** It is paused, or dies. */
  halted(nowMs: number): void {
    if (this.#halts.at(-1)?.toMs === Infinity) return;
    this.#halts.push({ fromMs: nowMs, toMs: Infinity });
  }

  resumed(nowMs: number): void {
    const last = this.#halts.at(-1);
    if (last?.toMs === Infinity) last.toMs = nowMs;
  }

  /** Some syncs take so long. */
  syncsTake(ms: number): void {
    this.#slowestSyncMs = Math.max(this.#slowestSyncMs, ms);
  }

  /** The last moment of which every answer survives a power failure at `nowMs`. */
  durableUntilMs(nowMs: number): number {
    if (this.#durability.mode === "fsync") return nowMs;
    if (this.#durability.mode === "os") return this.#syncedMs;
    const lateMs = this.#durability.ms + this.#slowestSyncMs + SLACK_MS;
    let untilMs = nowMs - lateMs;
    for (const { fromMs, toMs } of this.#halts.toReversed()) {
      if (toMs >= untilMs) untilMs = fromMs - lateMs;
    }
    return Math.max(this.#syncedMs, untilMs);
  }
}

/**
 * The operations, those that a power failure may have undone with nothing promised any more: a write
 * that was acknowledged, or a read that was answered and repaired, so shortly before.
 */
export function withLosses(
  operations: readonly Operation[],
  failures: readonly PowerFailure[],
): readonly Operation[] {
  if (failures.length === 0) return operations;
  return operations.map((operation) => {
    const { beginMs, endMs } = operation;
    const isLost = failures.some(({ atMs, sinceMs }) => beginMs <= atMs && endMs >= sinceMs);
    return isLost ? { ...operation, full: false } : operation;
  });
}

/** One machine of a simulated cluster: its disk and its clock, what it is told, and the process on it. */
import type { NodeConfig } from "../../config.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Store } from "../../storage/store.ts";
import type { Disturbance } from "../evidence/evidence.ts";
import type { ObservedStore } from "../evidence/observed_store.ts";
import { PageCache } from "../evidence/page_cache.ts";
import { Promises } from "../evidence/promises.ts";
import type { RemovalFault } from "../plans/plan.ts";
import type { ProcessLife } from "../virtual/process_life.ts";
import type { ClockSkew, VirtualClock } from "../virtual/virtual_clock.ts";
import type { VirtualDisk } from "../virtual/virtual_disk.ts";

/** A node as the simulation needs it: what `ConvergeNode` is. */
export interface SimulatedProcess {
  readonly app: { fetch(request: Request): Response | Promise<Response> };
  start(): void;
  stop(): Promise<void>;
  readonly failed: Promise<Error>;
}

/** Opens a process; `observe` must be laid around its store. */
export type OpenProcess = (
  config: NodeConfig,
  platform: Platform,
  observe: (store: Store) => Store,
) => Promise<SimulatedProcess>;

/** Where a node's data is on its own disk. */
export const DATA_DIRECTORY = "data";

/** What a turn of the event loop takes on an idle thread. */
export const NO_TIME: readonly [number, number] = [0, 0];

/** One machine and the process on it, if one runs. */
export class SimulatedNode {
  /** What its next start is told. */
  config: NodeConfig;
  readonly disk: VirtualDisk;
  readonly skew: ClockSkew = { offsetMs: 0, rate: 1 };
  /** Milliseconds, from and to, that a turn of its event loop takes. */
  turnMs: readonly [number, number] = NO_TIME;
  readonly promises: Promises;
  readonly pageCache: PageCache;
  /** Set from the first fault of its disk on: it may then stop itself. */
  diskFaulty = false;
  /** Set once it lost data for good: it may then refuse to start, and promises no more. */
  damaged = false;
  life: ProcessLife | undefined;
  process: SimulatedProcess | undefined;
  store: ObservedStore | undefined;
  clock: VirtualClock | undefined;
  lives = 0;
  /** What its last start was told. */
  startedWith: NodeConfig;
  /** Its operator has asked it to stop, and it has not ended yet. */
  stopping = false;
  /** How often it was removed and added anew: its disks of before are none of this cluster's any more. */
  comebacks = 0;
  /** Its operator removes it. */
  leaving: RemovalFault["how"] | undefined;
  /** It was seen to be removed: it ended, or refused to start, for that reason. */
  isRemoved = false;
  /** Its operator saw that the others have removed it, whether or not it knows. */
  isGone = false;
  disturbance: Disturbance | undefined;

  constructor(config: NodeConfig, disk: VirtualDisk, nowMs: () => number) {
    this.config = this.startedWith = config;
    this.disk = disk;
    this.promises = new Promises(nowMs);
    this.pageCache = new PageCache(config.durability);
  }

  get name(): string {
    return this.config.name;
  }

  get origin(): string {
    return this.config.advertise;
  }

  /** Whether it takes requests now. */
  get isUp(): boolean {
    return this.process !== undefined && this.life?.dead === false && !this.life.paused &&
      !this.stopping;
  }
}

/**
 * Takes back the space of keys that this node no longer owns, since another member has come in its place.
 *
 * Only while no member is on its way in or out. Then whoever owns a key has what this node has of it, or
 * has something newer; and nobody is filled from former owners. Where this node comes to own a key again,
 * by a removal, it erases first what it may have of it (`takeover.ts`), so nothing ever rests on what is
 * erased here. That it is erased before costs nothing but the work.
 */
import { isTransient } from "../../errors.ts";
import { type Clock, delay } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import type { Store } from "../../storage/store.ts";
import type { Replica } from "../replica.ts";
import type { Topology } from "../topology/topology.ts";
import { eraseKeys } from "./erase_keys.ts";

/** What cleaning up is made of. */
export interface CleanupOptions {
  selfName: string;
  store: Store;
  replica: Pick<Replica, "erase">;
  clock: Clock;
  log: Log;
  topology(): Topology;
  /** Milliseconds between two looks; also how long all members have been at rest before anything is erased. */
  intervalMs: number;
}

/** Of this node's time, looking and erasing may take 1 / (1 + this). */
const REST_SHARE = 4;

/** One node's cleaning up. */
export class Cleanup {
  /** Records erased since the start. */
  erased = 0;
  readonly #options: CleanupOptions;
  /** The ring that was at rest at the last look, by its fingerprint. */
  #ring: string | undefined;
  /** The ring for which nothing was left at the last look. */
  #cleanRing: string | undefined;
  #stopped = false;

  constructor(options: CleanupOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#loop();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #loop(): Promise<void> {
    const { clock, log, intervalMs } = this.#options;
    while (!this.#stopped) {
      await delay(clock, intervalMs);
      if (this.#stopped) return;
      try {
        await this.#look();
      } catch (error) {
        if (this.#stopped) return;
        if (!isTransient(error)) log.warn("cleanup.failed", { why: String(error) });
      }
    }
  }

  async #look(): Promise<void> {
    const { topology, selfName, store, replica, log, clock } = this.#options;
    const now = topology();
    const isNeeded = now.isAtRest && now.members.length > now.quorums.n;
    const ring = isNeeded ? now.fingerprint : undefined;
    const isCalm = ring === this.#ring;
    this.#ring = ring;
    // Requests that began by the ring of before are over by the second look.
    if (ring === undefined || !isCalm || ring === this.#cleanRing) return;
    const mayGoOn = () => !this.#stopped && topology().isAtRest && topology().fingerprint === ring;
    const erased = await eraseKeys({
      store,
      clock,
      isWanted: (key) => !now.owns(selfName, key),
      erase: (due) => replica.erase(due),
      mayGoOn,
      rest: (tookMs) => delay(clock, REST_SHARE * tookMs),
    });
    this.erased += erased;
    if (erased === 0) {
      if (mayGoOn()) this.#cleanRing = ring;
      return;
    }
    log.info("cleanup.erased", { records: erased });
    // Where nothing else is written, compaction would not learn of it.
    await store.flush();
  }
}

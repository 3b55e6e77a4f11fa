/** Damage that a store finds while the node that it belongs to is still being opened. */
import type { DamageReport } from "../storage/lsm_store.ts";
import { META } from "../storage/store.ts";

/**
 * Takes the reports of a store from the moment at which that is opened. They wait for the node, but for
 * those of its own documents: the node cannot be made before these are repaired.
 */
export class EarlyDamage {
  readonly #node = Promise.withResolvers<(report: DamageReport) => Promise<void>>();
  #isNodeMade = false;
  #documentsLoss = 0;

  constructor() {
    this.#node.promise.catch(() => {}); // whoever opens the node is told why it could not be
  }

  /** The last loss of the node's own documents, as in `DamageReport`; 0 where there was none. */
  get documentsLoss(): number {
    return this.#documentsLoss;
  }

  /** As `LsmStoreOptions.onDamage`. */
  async report(report: DamageReport): Promise<void> {
    if (report.keyspace === META && !this.#isNodeMade) this.#documentsLoss = report.loss;
    else await (await this.#node.promise)(report);
  }

  /** From now on every report waits for the node. */
  nodeMade(): void {
    this.#isNodeMade = true;
  }

  /** The node is open: what waits is handed to it, and what comes later. */
  handTo(listener: (report: DamageReport) => Promise<void>): void {
    this.#node.resolve(listener);
  }

  /** There will be no node: what waits fails. */
  abandon(reason: unknown): void {
    this.#node.reject(reason);
  }
}

/** How far one node's refill is, and what of that is on its disk. */
import type { LocalState } from "../state/local_state.ts";
import { nothingDone, readSaved, type Saved, writeSaved } from "./refill_document.ts";

/** Holds by one ring, and since the last loss of data: else it begins anew, as another object. */
export class SavedProgress {
  readonly #state: LocalState;
  /** Undefined until it was read from disk, or began anew. */
  #known: Saved | undefined;
  /** The last loss that is on disk, and with it all that the node knew when it came. */
  #notedLoss = 0;

  constructor(state: LocalState) {
    this.#state = state;
  }

  /** As it is now, on disk or not; nothing is done where it was not read yet. */
  get saved(): Saved {
    return this.#known ??= nothingDone("", 0);
  }

  /** Names of those that this node has read to the end. */
  get done(): readonly string[] {
    return this.#known?.done ?? [];
  }

  /** Whether the last loss is on disk: before, nothing that was done since may be. */
  get isNoted(): boolean {
    return this.#notedLoss === this.saved.loss;
  }

  /** Goes on from what is on disk; does nothing where it was read before. */
  read(): void {
    if (this.#known !== undefined) return;
    this.#known = readSaved(this.#state);
    this.#notedLoss = this.saved.loss;
  }

  /** What was done does not hold any more. */
  beginAnew(ring: string, loss: number): void {
    const { isOldCopy, earlier } = this.#known ?? readSaved(this.#state) ?? {};
    this.#known = {
      ...nothingDone(ring, loss),
      ...(isOldCopy === true ? { isOldCopy } : {}),
      ...(earlier === undefined ? {} : { earlier }),
    };
  }

  /** Writes down what was done, unless a loss has to be first. @throws {ConvergeError} as `Store.apply`. */
  async save(saved: Saved): Promise<void> {
    if (this.isNoted) await writeSaved(this.#state, saved);
  }

  /** Writes down the last loss. @throws {ConvergeError} as `Store.apply`. */
  async noteLoss(): Promise<void> {
    await this.#state.writeAgain();
    // Written last, since it says that all other documents are there.
    const { saved } = this;
    await writeSaved(this.#state, saved);
    this.#notedLoss = saved.loss;
  }
}

/**
 * What a node has on its disk of its refill, and with that of what it lost: the last loss of which it
 * took note, and whether its directory is an old copy.
 */
import { isConvergeError } from "../../errors.ts";
import type { LocalState } from "../state/local_state.ts";

/** How far a refill is, as it stands on disk. */
export interface Saved {
  ring: string;
  done: string[];
  after: Record<string, string>;
  /** The last loss (`Store.lastLoss`) since which this counts. */
  loss: number;
  /** Whether this node was started on an old copy of its directory. */
  isOldCopy?: boolean;
  /**
   * Node IDs of those that were being filled when this node began to count, and its own then; absent where
   * nobody else joined.
   */
  earlier?: { lives: string[]; by: string };
}

const DOCUMENT = "refill";
/** What no store says of its last loss. */
const NO_LOSS = -1;

/** Progress in a damaged table is no progress: all is taken again. */
export function readSaved(state: LocalState): Saved | undefined {
  try {
    return state.read<Saved>(DOCUMENT);
  } catch (error) {
    if (isConvergeError(error, "corrupt_file")) return undefined;
    throw error;
  }
}

/** @throws {ConvergeError} as `Store.apply`. */
export function writeSaved(state: LocalState, saved: Saved): Promise<void> {
  return state.write(DOCUMENT, saved);
}

/**
 * The last loss of data (`Store.lastLoss`) of which the node took note; 0 for none. If the store names
 * another one, the node stopped between the loss and the note, and its other documents may be gone or old.
 */
export function notedLoss(state: LocalState): number {
  return readSaved(state)?.loss ?? 0;
}

/**
 * Writes down that the directory is an old copy. Until a refill begins, each start on it is another life,
 * as after a loss of which the node took no note.
 *
 * @throws {ConvergeError} as `Store.apply`.
 */
export async function noteOldCopy(state: LocalState): Promise<void> {
  await writeSaved(state, { ...nothingDone("", NO_LOSS), isOldCopy: true });
}

/** Whether this node may have copies from before deletions that others have forgotten. */
export function hasLeftovers({ loss, isOldCopy }: Saved): boolean {
  return loss > 0 || isOldCopy === true;
}

/** A refill that begins. */
export function nothingDone(ring: string, loss: number): Saved {
  return { ring, done: [], after: {}, loss };
}

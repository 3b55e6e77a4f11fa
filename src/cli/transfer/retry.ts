/** Trying again what passes by itself: an overloaded or restarting node. */
import { ClientError } from "../../client/client_error.ts";

const ATTEMPTS = 8;
const FIRST_PAUSE_MS = 100;

/**
 * Calls `attempt` until it works, with growing pauses, a bounded number of times.
 *
 * @throws The last failure, or the first that will not pass.
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  pause: (ms: number) => Promise<unknown> = (ms) =>
    new Promise((resolve) => setTimeout(resolve, ms)),
): Promise<T> {
  for (let tried = 1;; tried++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ClientError) || !error.passing || tried === ATTEMPTS) throw error;
      await pause(FIRST_PAUSE_MS * 2 ** (tried - 1) * (0.5 + Math.random() / 2));
    }
  }
}

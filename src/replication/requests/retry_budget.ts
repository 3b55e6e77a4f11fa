/**
 * How much work may be done twice: trying again and asking one more owner are allowed as a share of
 * the requests that come, so that they help where little goes wrong and do not add to the load where
 * everything does ("Retry throttling" of gRPC; Bronson et al., "Metastable Failures in Distributed
 * Systems", HotOS 2021).
 */

/** Requests that earn one try: a fifth of all may cause work twice. */
const REQUESTS_PER_TRY = 5;
/** Tries kept at most, and at first: what a quiet node may do at once. */
const RESERVE_TRIES = 100;

const RESERVE = RESERVE_TRIES * REQUESTS_PER_TRY;

/** A token bucket that requests fill. Invariant: never below 0, never over `RESERVE`. */
export class RetryBudget {
  #tokens = RESERVE;

  /** A request has come. */
  earn(): void {
    if (this.#tokens < RESERVE) this.#tokens++;
  }

  /** Takes one try out; false when there is none. */
  take(): boolean {
    if (this.#tokens < REQUESTS_PER_TRY) return false;
    this.#tokens -= REQUESTS_PER_TRY;
    return true;
  }
}

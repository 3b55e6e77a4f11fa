/** Time as a value that is passed in: the real clock in production, a virtual one in simulation. */

/** Handle of a pending timer. */
export type TimerID = number;

/** The only source of time. Decisions about data never use it; timeouts, expiry and pacing do. */
export interface Clock {
  /** Milliseconds that never go back; only differences mean anything. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch, as wrong as the machine's clock. For expiry and display. */
  wallMs(): number;
  /** Calls `callback` once after `delayMs` (>= 0). A callback must not throw. */
  setTimer(delayMs: number, callback: () => void): TimerID;
  /** Forgets a timer; unknown or fired ones are ignored. */
  clearTimer(timer: TimerID): void;
}

/** Resolves after `delayMs` of `clock`'s time. Never rejects. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(delayMs, resolve));
}

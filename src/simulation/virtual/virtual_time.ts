/** The one time of a simulated world: it stands still while code runs and jumps from event to event. */
import { EventQueue, type SimulationEvent } from "./event_queue.ts";

/** Virtual milliseconds and what is to happen at them. */
export class VirtualTime {
  readonly #queue = new EventQueue();
  #nowMs = 0;
  #eventsTotal = 0;

  /** Milliseconds since the world began. Never goes back. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events carried out so far. */
  get eventsTotal(): number {
    return this.#eventsTotal;
  }

  /** Events that wait. */
  get pending(): number {
    return this.#queue.size;
  }

  /** Calls `run` once, `delayMs` (>= 0) from now. */
  schedule(delayMs: number, run: () => void): SimulationEvent {
    return this.#queue.push(this.#nowMs + Math.max(0, delayMs), run);
  }

  /** Resolves `delayMs` from now. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.schedule(delayMs, resolve));
  }

  /** Carries out the next event if it is due by `untilMs`; false when there is none. */
  step(untilMs: number): boolean {
    const atMs = this.#queue.peekMs();
    if (atMs === undefined || atMs > untilMs) return false;
    const event = this.#queue.pop()!;
    this.#nowMs = event.atMs;
    this.#eventsTotal++;
    event.run!();
    return true;
  }
}

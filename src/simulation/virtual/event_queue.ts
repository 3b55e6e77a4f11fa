/** The order of everything in a run: a binary heap of events by (time, sequence). */

/** One thing that is to happen. */
export interface SimulationEvent {
  /** Virtual milliseconds. */
  readonly atMs: number;
  /** Number of events scheduled before this one: ties of time are broken by it, so no run is ambiguous. */
  readonly sequence: number;
  /** What happens; undefined once cancelled. */
  run: (() => void) | undefined;
}

/** A priority queue of events. Invariant: every parent is before its children. */
export class EventQueue {
  readonly #heap: SimulationEvent[] = [];
  #sequence = 0;

  /** Events that wait, cancelled ones included. */
  get size(): number {
    return this.#heap.length;
  }

  /** Adds an event; the returned object cancels it when its `run` is set to undefined. */
  push(atMs: number, run: () => void): SimulationEvent {
    const heap = this.#heap;
    const event: SimulationEvent = { atMs, sequence: this.#sequence++, run };
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (before(heap[parent]!, event)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
    return event;
  }

  /** Removes and returns the first event that was not cancelled, or undefined when none is left. */
  pop(): SimulationEvent | undefined {
    for (;;) {
      const first = this.#takeFirst();
      if (first === undefined || first.run !== undefined) return first;
    }
  }

  /** Time of the first event that was not cancelled, or undefined. */
  peekMs(): number | undefined {
    while (this.#heap.length > 0 && this.#heap[0]!.run === undefined) this.#takeFirst();
    return this.#heap[0]?.atMs;
  }

  #takeFirst(): SimulationEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (before(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function before(a: SimulationEvent, b: SimulationEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}

/** Everything outside of the nodes: time, chance, network, and the record of what happened. */
import { drainMicrotasks } from "../virtual/drain.ts";
import type { UnexpectedError } from "../evidence/evidence.ts";
import { History } from "../evidence/history.ts";
import { RandomStreams } from "../virtual/random_streams.ts";
import { VirtualNetwork } from "../virtual/virtual_network.ts";
import { VirtualTime } from "../virtual/virtual_time.ts";

/** Events after which a run counts as running away. */
const EVENTS_MAX = 2_000_000;

/** One simulated world. */
export class World {
  readonly time = new VirtualTime();
  readonly streams: RandomStreams;
  readonly network: VirtualNetwork;
  readonly history = new History();
  readonly errors: UnexpectedError[] = [];
  /** Faults that struck, by kind. */
  readonly faults = new Map<string, number>();

  constructor(seed: number) {
    this.streams = new RandomStreams(seed);
    this.network = new VirtualNetwork({
      time: this.time,
      random: this.streams.stream("network"),
      replayRandom: this.streams.stream("replays"),
      onFault: (kind) => this.countFault(kind),
      onHandlerError: (origin, error) => this.error(origin, error),
    });
  }

  countFault(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  /** Something happened that must never happen. */
  error(where: string, error: unknown): void {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.errors.push({ where, message });
    this.note("error", { where, message });
  }

  note(event: string, fields?: Record<string, unknown>): void {
    this.history.note(this.time.nowMs, event, fields);
  }

  /**
   * Lets time pass until `scenario` has ended. All of it happens on this world's events and the
   * microtasks between them.
   *
   * @throws {Error} When the scenario waits for nothing, or for more than {@linkcode EVENTS_MAX}.
   */
  async run<T>(scenario: () => Promise<T>): Promise<T> {
    let ended = false;
    const result = scenario().finally(() => {
      ended = true;
    });
    // Whoever awaits `result` below sees the rejection; until then it must not count as unhandled.
    result.catch(() => {});
    const stopListening = this.#watchRejections();
    try {
      await drainMicrotasks();
      while (!ended) {
        if (this.time.eventsTotal > EVENTS_MAX) throw new Error("Cannot go on: too many events");
        if (!this.time.step(Infinity)) {
          throw new Error("Cannot go on: nothing will happen any more");
        }
        await drainMicrotasks();
      }
      return await result;
    } finally {
      stopListening();
    }
  }

  /** A promise that nobody awaits and that rejects would end a real process. */
  #watchRejections(): () => void {
    const onRejection = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      this.error("unhandled rejection", event.reason);
    };
    globalThis.addEventListener("unhandledrejection", onRejection);
    return () => globalThis.removeEventListener("unhandledrejection", onRejection);
  }
}

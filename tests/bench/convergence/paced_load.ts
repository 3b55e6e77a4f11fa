/**
 * Clients that come at a fixed rate, whatever the answers take: what is measured then is latency at a
 * load that the cluster bears, where a closed loop would take all the time that there is.
 */
import { keyName } from "../cluster/target.ts";

/** What clients saw. */
export interface PacedResult {
  requests: number;
  errors: number;
  p50Ms: number;
  p99Ms: number;
}

const TIMEOUT_MS = 5_000;
const TICK_MS = 5;

/** Half PUT, half GET of random keys, to each URL in turn, until stopped. */
export class PacedLoad {
  readonly #latenciesMs: number[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #startMs = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  #sent = 0;
  #errors = 0;

  constructor(
    private readonly options: {
      urls: readonly string[];
      rate: number;
      keys: number;
      value: string;
    },
  ) {
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
  }

  /** Ends it; gives what was seen. */
  async stop(): Promise<PacedResult> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
    return { requests: this.#sent, errors: this.#errors, p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  #sendDue(): void {
    const { rate } = this.options;
    const due = (performance.now() - this.#startMs) * rate / 1000;
    while (this.#sent < due) {
      // Latency counts from when the request should have been sent.
      const request = this.#send(this.#sent, this.#startMs + this.#sent * 1000 / rate);
      this.#sent++;
      this.#running.add(request);
      void request.finally(() => this.#running.delete(request));
    }
  }

  async #send(number: number, dueMs: number): Promise<void> {
    const { urls, keys, value } = this.options;
    const key = keyName(Math.floor(Math.random() * keys));
    const url = `${urls[number % urls.length]}/kv/${key}`;
    const init = Math.random() < 0.5 ? { method: "PUT", body: value } : {};
    try {
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
      await response.bytes(); // read to the end: a body that is cancelled ends its connection
      if (response.status >= 400) this.#errors++;
    } catch {
      this.#errors++;
    }
    this.#latenciesMs.push(performance.now() - dueMs);
  }
}

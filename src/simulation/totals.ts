/** Sums over many seeds. */
import type { SeedSummary } from "./run_seed.ts";

/** Why histories are not linearizable, for people. */
const CAUSES = {
  "tried again": "a write that was tried again",
  "overtaken": "a read that was overtaken",
  "unknown": "what was undecided within the bound",
};

/** What many runs gave together. */
export class Totals {
  seeds = 0;
  readonly operations = { acked: 0, failed: 0, indeterminate: 0 };
  readonly faults = new Map<string, number>();
  readonly violations = new Map<string, number>();
  readonly failedSeeds: number[] = [];
  readonly linearizability = { "linearizable": 0, "not linearizable": 0, "unknown": 0 };
  readonly causes = { "tried again": 0, "overtaken": 0, "unknown": 0 };
  smallestCounterexample: SeedSummary | undefined;
  virtualMs = 0;
  events = 0;
  messages = 0;

  add(summary: SeedSummary): void {
    this.seeds++;
    this.virtualMs += summary.virtualMs;
    this.events += summary.events;
    this.messages += summary.messages;
    for (const outcome of ["acked", "failed", "indeterminate"] as const) {
      this.operations[outcome] += summary.operations[outcome];
    }
    for (const verdict of ["linearizable", "not linearizable", "unknown"] as const) {
      this.linearizability[verdict] += summary.linearizability[verdict];
    }
    for (const cause of ["tried again", "overtaken", "unknown"] as const) {
      this.causes[cause] += summary.causes[cause];
    }
    for (const [kind, count] of Object.entries(summary.faults)) increase(this.faults, kind, count);
    for (const { checker } of summary.violations) increase(this.violations, checker, 1);
    if (summary.violations.length > 0) this.failedSeeds.push(summary.seed);
    const size = summary.counterexample.length;
    const smallest = this.smallestCounterexample?.counterexample.length ?? Infinity;
    if (size > 0 && size < smallest) this.smallestCounterexample = summary;
  }

  /** Lines for people. @param wallMs Milliseconds that it all took. */
  report(wallMs: number): string[] {
    const { acked, failed, indeterminate } = this.operations;
    const operations = acked + failed + indeterminate;
    const faults = [...this.faults.values()].reduce((sum, count) => sum + count, 0);
    const perMinute = (count: number) => Math.round(count / (wallMs / 60_000));
    const lines = [
      `seeds       ${this.seeds} in ${(wallMs / 1_000).toFixed(1)} s`,
      `operations  ${operations} (${acked} acked, ${failed} failed, ${indeterminate} ` +
      `indeterminate), ${perMinute(operations)} checked per minute`,
      `time        ${Math.round(this.virtualMs / 1_000)} virtual s, ` +
      `${Math.round(this.virtualMs / wallMs)} per second, ${this.events} events, ` +
      `${this.messages} messages`,
      `faults      ${faults}, ${perMinute(faults)} per minute`,
      ...[...this.faults].sort((a, b) => b[1] - a[1]).map(([kind, count]) =>
        `            ${String(count).padStart(8)}  ${kind}`
      ),
      `per key     ${this.linearizability.linearizable} histories linearizable, ` +
      `${this.linearizability["not linearizable"]} not, ` +
      `${this.linearizability.unknown} undecided within the bound`,
      ...Object.entries(CAUSES).flatMap(([cause, why]) => {
        const count = this.causes[cause as keyof typeof CAUSES];
        return count === 0 ? [] : [`            ${String(count).padStart(8)}  not, by ${why}`];
      }),
    ];
    if (this.violations.size === 0) lines.push("violations  none");
    for (const [checker, count] of this.violations) lines.push(`violations  ${count} ${checker}`);
    if (this.failedSeeds.length > 0) {
      lines.push(`failed      seeds ${this.failedSeeds.slice(0, 20).join(", ")}`);
    }
    return lines;
  }
}

function increase(counts: Map<string, number>, name: string, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}

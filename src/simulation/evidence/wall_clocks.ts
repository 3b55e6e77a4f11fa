/** Remembers how wrong every node's wall clock was at every time, for the checkers of expiry. */
import type { WallBounds } from "./evidence.ts";
import { type ClockSkew, WALL_START_MS } from "../virtual/virtual_clock.ts";

interface Stretch extends ClockSkew {
  fromMs: number;
}

/** The wall clocks of a run. */
export class WallClocks {
  readonly #stretches = new Map<string, Stretch[]>();

  /** From `nowMs` on the clock of `node` is wrong by this. */
  set(node: string, nowMs: number, { offsetMs, rate }: ClockSkew): void {
    const stretches = this.#stretches.get(node) ?? [];
    stretches.push({ fromMs: nowMs, offsetMs, rate });
    this.#stretches.set(node, stretches);
  }

  /** What the clock of `node` (undefined: of any node) said between two moments of true time. */
  bounds(node: string | undefined, fromMs: number, toMs: number): WallBounds {
    const all = node === undefined ? [...this.#stretches.keys()] : [node];
    let lowMs = Infinity;
    let highMs = -Infinity;
    for (const name of all) {
      const stretches = this.#stretches.get(name) ?? [];
      for (const [i, stretch] of stretches.entries()) {
        const begin = Math.max(stretch.fromMs, fromMs);
        const end = Math.min(stretches[i + 1]?.fromMs ?? Infinity, toMs);
        if (begin > end) continue;
        lowMs = Math.min(lowMs, Math.floor(wallMs(stretch, begin)));
        highMs = Math.max(highMs, Math.ceil(wallMs(stretch, end)));
      }
    }
    return { lowMs, highMs };
  }
}

function wallMs({ offsetMs, rate }: ClockSkew, trueMs: number): number {
  return WALL_START_MS + offsetMs + trueMs * rate;
}

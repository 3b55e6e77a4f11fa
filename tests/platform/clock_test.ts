import { assertEquals } from "@std/assert";
import { type Clock, giveWay, type TimerID } from "../../src/platform/clock.ts";

/** A clock whose timers fire at once, each after others had the thread for `turnMs`. */
class CrowdedClock implements Clock {
  readonly delaysMs: number[] = [];
  readonly #turnMs: number;
  #nowMs = 0;

  constructor(turnMs: number) {
    this.#turnMs = turnMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): TimerID {
    this.delaysMs.push(delayMs);
    this.#nowMs += delayMs + this.#turnMs;
    callback();
    return this.delaysMs.length;
  }

  clearTimer(): void {}
}

Deno.test("giveWay() takes a turn where nobody wants the thread, and a rest where somebody does", async () => {
  const alone = new CrowdedClock(0.01);
  assertEquals(await giveWay(alone), 0.01);
  assertEquals(alone.delaysMs, [0]);
  const crowded = new CrowdedClock(1);
  assertEquals(await giveWay(crowded), 6);
  assertEquals(crowded.delaysMs, [0, 4]);
});

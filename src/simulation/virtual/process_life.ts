/** One life of a simulated process: from its start until it is killed. */
import type { VirtualTime } from "./virtual_time.ts";

/**
 * The door through which the world calls into a process. Timers, finished syncs, arriving requests
 * and answers come through it, so that a paused process sees nothing until it is resumed and a dead
 * one never runs again.
 */
export class ProcessLife {
  readonly #time: VirtualTime | undefined;
  #dead = false;
  #paused = false;
  /** What came while paused, in order. */
  #late: (() => void)[] = [];

  /** @param time Needed for {@linkcode resume} only. */
  constructor(time?: VirtualTime) {
    this.#time = time;
  }

  get dead(): boolean {
    return this.#dead;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Runs `action` now, after the pause, or never. */
  enter(action: () => void): void {
    if (this.#dead) return;
    if (this.#paused) this.#late.push(action);
    else action();
  }

  /** The process gets no processor, as after SIGSTOP. */
  pause(): void {
    this.#paused = true;
  }

  /** Everything that came meanwhile happens now, in order, each as an event of its own. */
  resume(): void {
    this.#paused = false;
    const late = this.#late;
    this.#late = [];
    for (const action of late) this.#time?.schedule(0, () => this.enter(action));
  }

  /** The process is gone. */
  kill(): void {
    this.#dead = true;
    this.#late = [];
  }
}

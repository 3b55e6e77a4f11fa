/** A server under test: started by this script, ended by its pid, its last words kept. */

const OUTPUT_CHARACTERS_MAX = 8_000;
const END_MS = 10_000;
const POLL_MS = 10;

/** How to start one. */
export interface ServerCommand {
  command: string;
  args: string[];
  cwd: string;
}

/** Processes under way, so that a run that is broken off leaves none behind. */
const running = new Set<ServerProcess>();

/** Ends every server at once. */
export function killServers(): void {
  for (const process of running) process.signal("SIGKILL");
}

/** A child process. */
export class ServerProcess implements AsyncDisposable {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  #output = "";
  #running = true;

  constructor({ command, args, cwd }: ServerCommand) {
    this.#child = new Deno.Command(command, {
      args,
      cwd,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#reading = Promise.all([
      this.#collect(this.#child.stdout),
      this.#collect(this.#child.stderr),
    ]);
    running.add(this);
    void this.#child.status.then(() => {
      this.#running = false;
      running.delete(this);
    });
  }

  /** The end of what it printed. */
  get output(): string {
    return this.#output;
  }

  signal(signal: Deno.Signal): void {
    if (this.#running) this.#child.kill(signal);
  }

  /** Ends it with SIGTERM, or SIGKILL when that takes too long. */
  async stop(): Promise<void> {
    this.signal("SIGCONT");
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), END_MS);
    await this.#child.status;
    clearTimeout(timer);
    await this.#reading;
  }

  /** Ends it at once, as a power failure would. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#child.status;
    await this.#reading;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  /** Waits until `url` answers 200. @throws {Error} with its output when it ends or is late. */
  async answers(url: string, deadlineMs = 60_000): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    while (this.#running && performance.now() < deadline) {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
        await response.body?.cancel();
        if (response.ok) return;
      } catch {
        // Not listening yet.
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error(`No answer from ${url}; the process said:\n${this.#output}`);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const text = this.#output + decoder.decode(chunk, { stream: true });
      this.#output = text.slice(-OUTPUT_CHARACTERS_MAX);
    }
  }
}

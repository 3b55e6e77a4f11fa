/** A step of the ladder as a target: see `ladder_server.ts`. */
import { fromFileUrl } from "@std/path";
import { freePorts } from "../../cluster/harness.ts";
import type { Step } from "./ladder_steps.ts";
import { ServerProcess } from "./server_process.ts";
import { plainGet, plainPut, type RequestTemplate, type Target } from "./target.ts";

const PEERS = 2;

/** One process, or one and its two peers. */
export class LadderTarget implements Target {
  readonly name: Step;
  readonly urls: readonly string[];
  readonly #directory: string;
  /** The one that is asked first. */
  readonly #processes: ServerProcess[];

  private constructor(name: Step, url: string, directory: string, processes: ServerProcess[]) {
    this.name = name;
    this.#directory = directory;
    this.urls = [url];
    this.#processes = processes;
  }

  /** Starts a step. @param parent Where a directory for its files is made. */
  static async start(parent: string, step: Step): Promise<LadderTarget> {
    const directory = await Deno.makeTempDir({ dir: parent, prefix: `ladder-${step}-` });
    const script = fromFileUrl(import.meta.resolve("./ladder_server.ts"));
    const [own, ...peers] = freePorts(step === "log" ? 1 : 1 + PEERS);
    const started: ServerProcess[] = [];
    const start = async (port: number, peers: number[]): Promise<void> => {
      const process = new ServerProcess({
        command: Deno.execPath(),
        args: [
          "run",
          "--no-prompt",
          "-A",
          script,
          step,
          `${port}`,
          directory,
          ...peers.map(String),
        ],
        cwd: directory,
      });
      started.unshift(process);
      await process.answers(`http://127.0.0.1:${port}`);
    };
    try {
      await Promise.all(peers.map((port) => start(port, [])));
      await start(own!, peers);
    } catch (error) {
      await Promise.all(started.map((process) => process.kill()));
      throw error;
    }
    return new LadderTarget(step, `http://127.0.0.1:${own}`, directory, started);
  }

  get pids(): number[] {
    return this.#processes.map(({ pid }) => pid);
  }

  put(value: string): RequestTemplate {
    return plainPut(value);
  }

  /** Nothing is ever given back. */
  get(): RequestTemplate {
    return plainGet();
  }

  async preload(): Promise<void> {}

  /** Sends the peers a signal. */
  signalPeers(signal: Deno.Signal, count = PEERS): void {
    for (const peer of this.#processes.slice(1, 1 + count)) peer.signal(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.kill()));
    await Deno.remove(this.#directory, { recursive: true }).catch(() => {});
  }
}

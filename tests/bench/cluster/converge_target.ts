/** Converge nodes as separate processes, fsync on, everything else at its default too. */
import { join } from "@std/path";
import { convergeCommand, freePorts } from "../../cluster/harness.ts";
import { ServerProcess } from "./server_process.ts";
import {
  inBatches,
  keyName,
  plainGet,
  plainPut,
  type RequestTemplate,
  type Speech,
  type Target,
} from "./target.ts";
import { pause } from "./workspace.ts";

const READY_MS = 120_000;
const BATCH_OPERATIONS = 500;
/** A busy machine may miss a deadline while keys are stored; that is not what is measured. */
const ATTEMPTS_MAX = 10;
const RETRY_MS = 500;

/** What a cluster can differ in. */
export interface ConvergeOptions {
  nodes?: number;
  /** Further options of every node. */
  args?: string[];
  /** Called with the nodes' data directories, which are not there yet, before any node starts. */
  prepare?: (directories: readonly string[]) => Promise<void>;
}

/** A cluster whose nodes know each other as peers. */
export class ConvergeTarget implements Target {
  readonly name = "converge";
  readonly urls: readonly string[];
  readonly #cwd: string;
  readonly #args: readonly string[];
  readonly #processes: (ServerProcess | undefined)[] = [];

  private constructor(cwd: string, urls: string[], args: readonly string[]) {
    this.#cwd = cwd;
    this.urls = urls;
    this.#args = args;
  }

  /** Starts all nodes at once and waits until each is ready. */
  static async start(
    parent: string,
    { nodes = 3, args = [], prepare }: ConvergeOptions = {},
  ): Promise<ConvergeTarget> {
    const cwd = await Deno.makeTempDir({ dir: parent, prefix: "converge-" });
    const urls = freePorts(nodes).map((port) => `http://127.0.0.1:${port}`);
    const target = new ConvergeTarget(cwd, urls, args);
    try {
      await prepare?.(urls.map((_, node) => target.#directoryOf(node)));
      await Promise.all(urls.map((_, node) => target.startNode(node)));
    } catch (error) {
      await target[Symbol.asyncDispose]();
      throw error;
    }
    return target;
  }

  get pids(): number[] {
    return this.#processes.flatMap((process) => process?.pid ?? []);
  }

  put(value: string): RequestTemplate {
    return plainPut(value);
  }

  get({ r }: Speech): RequestTemplate {
    return plainGet(r === undefined ? "" : `?r=${r}`);
  }

  async preload(count: number, value: string, urls = this.urls): Promise<void> {
    let turn = 0;
    await inBatches(count, BATCH_OPERATIONS, async (indexes) => {
      const lines = indexes.map((i) => JSON.stringify({ op: "put", k: keyName(i), v: value }));
      const url = urls[turn++ % urls.length]!;
      for (let attempt = 1;; attempt++) {
        const response = await fetch(`${url}/batch`, { method: "POST", body: lines.join("\n") });
        const text = await response.text();
        const stored = text.match(/"status":204/g)?.length ?? 0;
        if (stored === lines.length) return;
        if (attempt === ATTEMPTS_MAX) throw new Error(`Cannot preload: ${text.slice(0, 300)}`);
        await pause(RETRY_MS);
      }
    });
  }

  /** Starts one node; resolves with the milliseconds until `/readyz` said yes. */
  async startNode(node: number): Promise<number> {
    const peers = this.urls.filter((_, i) => i !== node).join(",");
    const [command, args] = convergeCommand([
      "serve",
      "--port",
      new URL(this.urls[node]!).port,
      "--id",
      `node${node + 1}`,
      ...(peers === "" ? [] : ["--peers", peers]),
      ...this.#args,
    ]);
    const startMs = performance.now();
    const process = new ServerProcess({ command, args, cwd: this.#cwd });
    this.#processes[node] = process;
    await process.answers(`${this.urls[node]}/readyz`, READY_MS);
    return performance.now() - startMs;
  }

  /** One node's process. */
  process(node: number): ServerProcess {
    const process = this.#processes[node];
    if (process === undefined) throw new Error(`Cannot use node ${node}: it is not running`);
    return process;
  }

  /** Takes everything from a node's disk. */
  async wipe(node: number): Promise<void> {
    await Deno.remove(this.#directoryOf(node), { recursive: true });
  }

  #directoryOf(node: number): string {
    return join(this.#cwd, "data", `node${node + 1}`);
  }

  /**
   * The sum of a counter or gauge over some nodes (default: all), from `/metrics`; 0 when there is
   * none. A name may go on with labels: `name{event="added"}`.
   */
  async metric(name: string, urls: readonly string[] = this.urls): Promise<number> {
    let sum = 0;
    for (const url of urls) {
      const text = await (await fetch(`${url}/metrics`)).text();
      for (const line of text.split("\n")) {
        if (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) {
          sum += Number(line.slice(line.lastIndexOf(" ")));
        }
      }
    }
    return sum;
  }

  /** Whether every node says that it is ready. */
  async isReady(): Promise<boolean> {
    for (const url of this.urls) {
      const response = await fetch(`${url}/readyz`);
      await response.body?.cancel();
      if (!response.ok) return false;
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process?.kill()));
    await Deno.remove(this.#cwd, { recursive: true }).catch(() => {});
  }
}

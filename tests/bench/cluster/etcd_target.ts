/** A three-node etcd over its HTTP gateway (`/v3/kv/*`, JSON with base64), fsync on as by default. */
import { join } from "@std/path";
import { freePorts } from "../../cluster/harness.ts";
import { ServerProcess } from "./server_process.ts";
import {
  inBatches,
  keyName,
  requestHead,
  type RequestTemplate,
  type Speech,
  type Target,
} from "./target.ts";

const NODES = 3;
/** etcd takes at most 128 operations per transaction. */
const BATCH_OPERATIONS = 100;

/** An etcd cluster in a directory of its own. */
export class EtcdTarget implements Target {
  readonly name = "etcd";
  readonly urls: readonly string[];
  readonly #processes: ServerProcess[];

  private constructor(urls: string[], processes: ServerProcess[]) {
    this.urls = urls;
    this.#processes = processes;
  }

  /** @throws {Deno.errors.NotFound} When there is no etcd on this machine. */
  static async start(parent: string): Promise<EtcdTarget> {
    const cwd = await Deno.makeTempDir({ dir: parent, prefix: "etcd-" });
    const ports = freePorts(2 * NODES);
    const urls = ports.slice(0, NODES).map((port) => `http://127.0.0.1:${port}`);
    const peers = ports.slice(NODES).map((port) => `http://127.0.0.1:${port}`);
    const cluster = peers.map((url, i) => `n${i}=${url}`).join(",");
    const processes: ServerProcess[] = [];
    try {
      urls.forEach((url, i) => {
        const args = [
          ...["--name", `n${i}`, "--data-dir", join(cwd, `n${i}`)],
          ...["--listen-client-urls", url, "--advertise-client-urls", url],
          ...["--listen-peer-urls", peers[i]!, "--initial-advertise-peer-urls", peers[i]!],
          ...["--initial-cluster", cluster, "--initial-cluster-state", "new"],
          // Room for all keys of a long run; it slows nothing down.
          ...["--quota-backend-bytes", `${8 * 1024 ** 3}`, "--logger", "zap"],
        ];
        processes.push(new ServerProcess({ command: "etcd", args, cwd }));
      });
      await Promise.all(urls.map((url, i) => processes[i]!.answers(`${url}/health`)));
    } catch (error) {
      await Promise.all(processes.map((process) => process.kill()));
      throw error;
    }
    return new EtcdTarget(urls, processes);
  }

  get pids(): number[] {
    return this.#processes.map(({ pid }) => pid);
  }

  put(value: string): RequestTemplate {
    const rest = `","value":"${btoa(value)}"}`;
    return post("/v3/kv/put", '{"key":"', rest);
  }

  /** Linearizable by default; serializable, from one member's own data, for R = 1. */
  get({ r }: Speech): RequestTemplate {
    return post("/v3/kv/range", '{"key":"', r === 1 ? '","serializable":true}' : '"}');
  }

  async preload(count: number, value: string): Promise<void> {
    await inBatches(count, BATCH_OPERATIONS, async (indexes) => {
      const success = indexes.map((i) => ({
        requestPut: { key: btoa(keyName(i)), value: btoa(value) },
      }));
      const response = await fetch(`${this.urls[0]}/v3/kv/txn`, {
        method: "POST",
        body: JSON.stringify({ success }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`Cannot preload etcd: ${text.slice(0, 300)}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
  }
}

/** A POST whose body is `before + base64 key + after`. */
function post(path: string, before: string, after: string): RequestTemplate {
  const length = before.length + btoa(keyName(0)).length + after.length;
  const head = requestHead(`POST ${path}`, {
    "Content-Type": "application/json",
    "Content-Length": length,
  });
  return { head: head + before, key: "base64", tail: after };
}

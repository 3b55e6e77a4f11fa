/**
 * A small load generator for machines without wrk: HTTP/1.1 over raw connections, one request under
 * way on each. It runs in a process of its own and is slower than wrk, for all targets alike.
 */
import { fromFileUrl } from "@std/path";
import type { Load, LoadResult } from "./load.ts";
import { keyName, type RequestTemplate } from "./target.ts";

const TIMEOUT_MS = 2_000;
const RECONNECT_MS = 10;
const THETA = 0.99;

/** Runs this file as a process. */
export async function generateLoad(load: Load): Promise<LoadResult> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-net",
      fromFileUrl(import.meta.url),
      JSON.stringify(load),
    ],
  }).output();
  if (code !== 0) throw new Error(`Cannot run the load: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

class Generator {
  readonly #load: Load;
  readonly #latenciesMs: number[] = [];
  #statusErrors = 0;
  #socketErrors = 0;
  readonly #nextIndex: () => number;

  constructor(load: Load) {
    this.#load = load;
    this.#nextIndex = load.keyOrder === "uniform"
      ? () => Math.floor(Math.random() * load.keyCount)
      : zipfian(load.keyCount);
  }

  async run(): Promise<LoadResult> {
    const { urls, connections, seconds } = this.#load;
    const startMs = performance.now();
    const endMs = startMs + seconds * 1000;
    const clients = Array.from({ length: connections }, async (_, i) => {
      while (performance.now() < endMs) {
        await this.#converse(new URL(urls[i % urls.length]!), endMs).catch(() => {
          this.#socketErrors++;
          return new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
        });
      }
    });
    await Promise.all(clients);
    this.#latenciesMs.sort((a, b) => a - b);
    const at = (share: number) =>
      this.#latenciesMs[Math.floor(share * (this.#latenciesMs.length - 1))] ?? 0;
    return {
      requests: this.#latenciesMs.length,
      seconds: (performance.now() - startMs) / 1000,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      p999Ms: at(0.999),
      statusErrors: this.#statusErrors,
      socketErrors: this.#socketErrors,
    };
  }

  /** One connection until the end or until it breaks. */
  async #converse({ hostname, port }: URL, endMs: number): Promise<void> {
    using connection = await Deno.connect({ hostname, port: Number(port) });
    connection.setNoDelay(true);
    const encoder = new TextEncoder();
    const buffer = new Uint8Array(64 * 1024);
    while (performance.now() < endMs) {
      const sentMs = performance.now();
      const timer = setTimeout(() => connection.close(), TIMEOUT_MS);
      try {
        await writeAll(connection, encoder.encode(this.#nextRequest()));
        if (await readAnswer(connection, buffer) >= 400) this.#statusErrors++;
      } finally {
        clearTimeout(timer);
      }
      this.#latenciesMs.push(performance.now() - sentMs);
    }
  }

  #nextRequest(): string {
    const { request, other } = this.#load;
    const { head, key, tail }: RequestTemplate = other !== undefined && Math.random() < other.share
      ? other.request
      : request;
    const name = keyName(this.#nextIndex());
    return head + (key === "base64" ? btoa(name) : name) + tail;
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

/** Reads one answer to its end; returns its status. */
async function readAnswer(connection: Deno.Conn, buffer: Uint8Array): Promise<number> {
  const decoder = new TextDecoder("latin1");
  let text = "";
  while (true) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error("The server closed the connection");
    text += decoder.decode(buffer.subarray(0, count));
    const headEnd = text.indexOf("\r\n\r\n");
    if (headEnd < 0) continue;
    const head = text.slice(0, headEnd);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    const isChunked = /^transfer-encoding: *chunked/im.test(head);
    const isWhole = isChunked ? text.endsWith("0\r\n\r\n") : text.length >= headEnd + 4 + length;
    if (isWhole) return Number(head.slice(9, 12));
  }
}

/** As the generator for wrk: see `wrk.ts`. */
function zipfian(count: number): () => number {
  let zeta = 0;
  for (let i = 1; i <= count; i++) zeta += 1 / i ** THETA;
  const alpha = 1 / (1 - THETA);
  const eta = (1 - (2 / count) ** (1 - THETA)) / (1 - (1 + 0.5 ** THETA) / zeta);
  return () => {
    const u = Math.random();
    const uz = u * zeta;
    const place = uz < 1
      ? 0
      : uz < 1 + 0.5 ** THETA
      ? 1
      : Math.floor(count * (eta * u - eta + 1) ** alpha);
    return place * 40_503 % count;
  };
}

if (import.meta.main) {
  const load: Load = JSON.parse(Deno.args[0]!);
  console.log(JSON.stringify(await new Generator(load).run()));
}

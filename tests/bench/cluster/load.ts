/** Load of one kind for some seconds: by `wrk` where it is installed, else by the bundled generator. */
import { cpuMicroseconds, residentBytes, total } from "./process_facts.ts";
import { generateLoad } from "./bundled_generator.ts";
import type { RequestTemplate, Target } from "./target.ts";
import { runWrk } from "./wrk.ts";

/** What to send. */
export interface Load {
  urls: readonly string[];
  /** Over all URLs, kept alive. */
  connections: number;
  seconds: number;
  /** Keys 0 .. keyCount - 1. */
  keyCount: number;
  keyOrder: "uniform" | "zipfian";
  request: RequestTemplate;
  /** Sent instead of `request` in a share of all cases. */
  other?: { request: RequestTemplate; share: number };
}

/** What the generator saw. */
export interface LoadResult {
  requests: number;
  seconds: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  /** Statuses of 400 and more. */
  statusErrors: number;
  /** Connections refused or broken, answers later than the generator's patience of 2 s. */
  socketErrors: number;
}

/** Seen from both sides. */
export interface Measurement extends LoadResult {
  /** Good answers per second. */
  throughput: number;
  /** CPU of all server processes per request. */
  cpuMicroseconds: number;
  /** Resident memory of all server processes at the end. */
  residentBytes: number;
}

let hasWrk: boolean | undefined;

/** Whether `wrk` is there; says so once when it is not. */
export function isWrkInstalled(): boolean {
  if (hasWrk === undefined) {
    try {
      new Deno.Command("wrk", { args: ["-v"], stdout: "null", stderr: "null" }).outputSync();
      hasWrk = true;
    } catch {
      hasWrk = false;
      console.log("wrk is missing (Debian: apt-get install wrk): the bundled generator is used.");
    }
  }
  return hasWrk;
}

/** Sends the load. `directory` is for scratch files. */
export function runLoad(load: Load, directory: string): Promise<LoadResult> {
  return isWrkInstalled() ? runWrk(load, directory) : generateLoad(load);
}

/** Sends the load and looks at the servers' CPU and memory meanwhile. */
export async function measure(
  target: Target,
  load: Load,
  directory: string,
): Promise<Measurement> {
  const { pids } = target;
  const before = total(pids, cpuMicroseconds);
  const result = await runLoad(load, directory);
  const used = total(pids, cpuMicroseconds) - before;
  const good = Math.max(0, result.requests - result.statusErrors);
  return {
    ...result,
    throughput: good / result.seconds,
    cpuMicroseconds: used / Math.max(1, result.requests),
    residentBytes: total(pids, residentBytes),
  };
}

/** `converge bench`: how fast a running cluster answers. Stops by itself and cleans up behind it. */
import { ConvergeClient } from "../client/client.ts";
import { type LoadResult, runLoad } from "./live/bench_load.ts";
import { CommandError } from "./output/command_error.ts";
import { startProgress } from "./output/progress.ts";
import { untilSignal } from "./signals.ts";
import { tableLines } from "./output/table.ts";
import { printError, printLine } from "./output/terminal.ts";

/** What `converge bench` is told. */
export interface BenchSettings {
  url: string;
  json: boolean;
  concurrency: number;
  /** Of each of the two parts, puts and gets. */
  durationMs: number;
  /** Of each part, at most. */
  requests: number;
  /** Different keys. */
  keys: number;
  valueBytes: number;
  /** What all its keys and no others begin with: {@linkcode ownPrefix}. */
  prefix: string;
  /** Leave the keys where they are. */
  keep: boolean;
}

/** What it found. */
export interface BenchReport {
  settings: Omit<BenchSettings, "json" | "keep">;
  puts: LoadResult;
  gets: LoadResult;
}

const DELETIONS_AT_ONCE = 32;

/** Below `prefix` a part that nobody else has: what is written and removed is nobody else's. */
export function ownPrefix(prefix: string): string {
  return `${prefix}bench-${crypto.randomUUID().slice(0, 8)}/`;
}

/**
 * Puts values under `<prefix><number>`, then gets them, and prints figures of both.
 *
 * @throws {ClientError} When the node cannot be reached.
 * @throws {CommandError} When not one put, or not one get, succeeded, or a signal ended it.
 */
export async function runBench(settings: BenchSettings): Promise<void> {
  const { keep, json, ...rest } = settings;
  await new ConvergeClient(settings.url).cluster(); // fails with one line rather than in a table
  const begin = JSON.stringify(rest.prefix);
  const interrupt = new AbortController();
  const signal = untilSignal();
  signal.received.then((name) => {
    interrupt.abort(name);
    printError(
      keep
        ? `${name}: keys that begin with ${begin} stay`
        : `${name}: removing the keys that begin with ${begin}; once more Ctrl-C leaves them there`,
    );
  });
  let report: BenchReport;
  try {
    report = await measure(rest, interrupt.signal);
    if (!keep) await removeKeys(rest, Math.min(settings.keys, total(report.puts)));
  } finally {
    signal.forget();
  }
  if (interrupt.signal.aborted) {
    throw new CommandError("Cannot measure to the end: a signal interrupted it");
  }
  if (json) printLine(JSON.stringify(report));
  else for (const line of reportLines(report)) printLine(line);
  if (keep && !json) printLine(`Its keys stay: they begin with ${begin}`);
  const inVain = report.puts.ok === 0 ? "put" : report.gets.ok === 0 ? "get" : undefined;
  if (inVain !== undefined) {
    throw new CommandError(
      `Cannot measure ${settings.url}: not one ${inVain} succeeded; see converge status --url ${settings.url}`,
    );
  }
}

async function measure(
  settings: BenchReport["settings"],
  signal: AbortSignal,
): Promise<BenchReport> {
  const { url, keys } = settings;
  const bounds = { ...settings, signal };
  const client = new ConvergeClient(url);
  const value = randomBytes(settings.valueBytes);
  const progress = startProgress(2 * settings.durationMs);
  const startMs = performance.now();
  const shown = async (request: Promise<unknown>, words: string) => {
    await request;
    progress.update(performance.now() - startMs, words);
  };
  try {
    const puts = await runLoad(
      (i) => shown(client.put(keyOf(settings, i % keys), value), `${i + 1} puts`),
      bounds,
    );
    // Gets of keys that were never put would measure something else.
    const stored = Math.max(1, Math.min(keys, total(puts)));
    const gets = await runLoad(
      (i) => shown(client.get(keyOf(settings, i % stored)), `${i + 1} gets`),
      bounds,
    );
    return { settings, puts, gets };
  } finally {
    progress.stop();
  }
}

async function removeKeys(settings: BenchReport["settings"], count: number): Promise<void> {
  const client = new ConvergeClient(settings.url);
  const { failed } = await runLoad((i) => client.delete(keyOf(settings, i)), {
    concurrency: DELETIONS_AT_ONCE,
    durationMs: Infinity,
    requests: count,
  });
  if (failed === 0) return;
  const prefix = encodeURIComponent(settings.prefix).replaceAll("'", "%27"); // quoted below
  printError(
    `${failed} keys were left behind; remove them: curl -X DELETE '${settings.url}/kv?prefix=${prefix}'`,
  );
}

/** The report as a table, with what failed below it. */
export function reportLines({ settings, puts, gets }: BenchReport, isTerminal?: boolean): string[] {
  const { url, concurrency, valueBytes, keys } = settings;
  const head = ["", "requests", "failed", "per second", "p50 ms", "p99 ms", "p99.9 ms", "max ms"];
  const row = (name: string, result: LoadResult) => [
    name,
    String(result.ok),
    String(result.failed),
    result.perSecond.toFixed(0),
    ...[result.p50Ms, result.p99Ms, result.p999Ms, result.maxMs].map((ms) => ms?.toFixed(2) ?? "-"),
  ];
  const told = (name: string, { failures }: LoadResult) =>
    Object.entries(failures).map(([words, count]) => `${count} ${name} failed: ${words}`);
  return [
    `${url}: ${concurrency} requests at a time, values of ${valueBytes} bytes, ${keys} keys`,
    ...tableLines(head, [row("put", puts), row("get", gets)], isTerminal),
    ...told("puts", puts),
    ...told("gets", gets),
  ];
}

function keyOf({ prefix }: { prefix: string }, index: number): string {
  return `${prefix}${String(index).padStart(8, "0")}`;
}

function total({ ok, failed }: LoadResult): number {
  return ok + failed;
}

/** Bytes that do not compress away; the largest request of the generator is 64 KiB. */
function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(count, at + 65_536)));
  }
  return bytes;
}

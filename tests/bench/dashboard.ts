/**
 * What watching costs: the page, its live data, metrics, traces. Written into docs/benchmarks.md.
 *
 * Usage: `deno task bench:dashboard [seconds per measurement]`
 *
 * @module
 */
import { Hono } from "hono";
import { join } from "@std/path";
import { meter } from "../../src/http/metered.ts";
import { createTelemetry } from "../../src/metrics/telemetry.ts";
import { DenoClock } from "../../src/platform/deno/deno_clock.ts";
import { chromiumPath } from "../browser/browser.ts";
import { ConvergeTarget } from "./cluster/converge_target.ts";
import { writeSections } from "./cluster/document.ts";
import { machineFacts } from "./cluster/machine.ts";
import { cpuMicroseconds, total } from "./cluster/process_facts.ts";
import { pageFacts } from "./dashboard_page.ts";

const SECONDS = Number(Deno.args[0] ?? 10);
const ROUNDS = 5;

interface Fact {
  what: string;
  measured: string;
  allowed: string;
}

/** CPU of the first node and of all, in percent of one core, while some pages are open. */
async function cpuWhile(
  target: ConvergeTarget,
  pages: number,
): Promise<{ first: number; all: number }> {
  const abort = new AbortController();
  const streams = await Promise.all(Array.from({ length: pages }, async () => {
    const response = await fetch(`${target.urls[0]}/events`, { signal: abort.signal });
    return drain(response);
  }));
  await pause(1_000);
  const [first] = target.pids;
  const before = { first: cpuMicroseconds(first!), all: total(target.pids, cpuMicroseconds) };
  await pause(SECONDS * 1_000);
  const after = { first: cpuMicroseconds(first!), all: total(target.pids, cpuMicroseconds) };
  abort.abort();
  await Promise.all(streams.map((stream) => stream.ended));
  const share = (microseconds: number) => microseconds / (SECONDS * 1e6) * 100;
  return { first: share(after.first - before.first), all: share(after.all - before.all) };
}

function drain(response: Response): { ended: Promise<void> } {
  return {
    ended: (async () => {
      try {
        for await (const _chunk of response.body!);
      } catch {
        // aborted: that is how it ends
      }
    })(),
  };
}

/** Nanoseconds that measuring adds to a request: the same app with and without, by turns. */
async function meterNanoseconds(): Promise<number> {
  const handleKey = () => new Response("v");
  const onError = (error: unknown): never => {
    throw error;
  };
  const plain = new Hono();
  plain.fetch = handleKey;
  const metered = new Hono();
  const clock = new DenoClock();
  meter(metered, { telemetry: createTelemetry(clock), clock, handleKey, onError });
  const requests = Array.from(
    { length: 1_000 },
    (_, i) => new Request(`http://127.0.0.1:8081/kv/key-${i}`),
  );
  const run = async (app: Hono): Promise<number> => {
    const startMs = performance.now();
    for (let round = 0; round < 50; round++) {
      for (const request of requests) await app.fetch(request);
    }
    return (performance.now() - startMs) * 1e6 / (50 * requests.length);
  };
  await run(plain);
  await run(metered);
  const differences: number[] = [];
  for (let round = 0; round < ROUNDS * 3; round++) {
    differences.push(-await run(plain) + await run(metered));
  }
  return median(differences);
}

/** Requests per second and CPU per request of a cluster, half reads and half writes. */
async function throughput(
  parent: string,
  env: Record<string, string>,
): Promise<{ rate: number; cpuUs: number; scrapeMs: number }> {
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  await using target = await ConvergeTarget.start(parent);
  for (const name of Object.keys(env)) Deno.env.delete(name);
  await wrk(parent, target.urls[0]!, 2);
  const before = total(target.pids, cpuMicroseconds);
  const rate = await wrk(parent, target.urls[0]!, SECONDS / 2);
  const cpuUs = (total(target.pids, cpuMicroseconds) - before) / (rate * SECONDS / 2);
  const scrapes: number[] = [];
  for (let i = 0; i < 20; i++) {
    const startMs = performance.now();
    await (await fetch(`${target.urls[0]}/metrics`)).text();
    scrapes.push(performance.now() - startMs);
  }
  return { rate, cpuUs, scrapeMs: median(scrapes) };
}

async function wrk(directory: string, url: string, seconds: number): Promise<number> {
  const script = join(directory, "dashboard.lua");
  await Deno.writeTextFile(
    script,
    `request = function()
      local key = "/kv/key-" .. math.random(1, 1000)
      if math.random() < 0.5 then return wrk.format("PUT", key, nil, string.rep("v", 100)) end
      return wrk.format("GET", key)
    end`,
  );
  const { stdout } = await new Deno.Command("wrk", {
    args: ["-t1", "-c64", `-d${Math.ceil(seconds)}s`, "-s", script, url],
  }).output();
  const text = new TextDecoder().decode(stdout);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? NaN);
}

/** Takes what nodes export, and throws it away. */
function collector(): { url: string; close(): Promise<void> } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    await request.bytes();
    return new Response(null, { status: 200 });
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, close: () => server.shutdown() };
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function watching(parent: string): Promise<Fact[]> {
  await using target = await ConvergeTarget.start(parent);
  await pause(3_000);
  const idle = await cpuWhile(target, 0);
  const one = await cpuWhile(target, 1);
  const fifty = await cpuWhile(target, 50);
  const percent = (value: number) => `${value.toFixed(1)} %`;
  const facts = [
    ["CPU of a node, no page open", percent(idle.first), "–"],
    ["… more with one page open", percent(one.first - idle.first), "2 %"],
    ["… more with 50 pages open", percent(fifty.first - idle.first), "20 %"],
    [
      "CPU of the other two nodes, more with 50 pages open on the first",
      percent(
        (fifty.all - fifty.first) - (idle.all - idle.first),
      ),
      "–",
    ],
  ].map(([what, measured, allowed]) => ({ what: what!, measured: measured!, allowed: allowed! }));
  const path = chromiumPath();
  if (path === undefined) return facts;
  const { bytes, firstPaintMs, liveMs, layoutShift } = await pageFacts(path, target.urls[0]!);
  return [
    {
      what: "Page, bytes transferred",
      measured: `${(bytes / 1e3).toFixed(1)} kB`,
      allowed: "150 kB",
    },
    { what: "First view", measured: `${Math.round(firstPaintMs)} ms`, allowed: "1 s" },
    { what: "… and live data", measured: `${Math.round(liveMs)} ms`, allowed: "–" },
    { what: "Layout shift", measured: `${layoutShift}`, allowed: "0" },
    ...facts,
  ];
}

async function observing(parent: string): Promise<Fact[]> {
  const addedNs = await meterNanoseconds();
  const sink = collector();
  const everything = {
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    OTEL_DENO_METRICS: "false",
  };
  const own = { ...everything, OTEL_DENO_TRACING: "false" };
  const cases = {
    off: {},
    share: own,
    own: { ...own, CONVERGE_TRACE_RATIO: "1" },
    sampled: {
      ...everything,
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.01",
    },
    deno: everything,
  };
  const runs: Record<string, Awaited<ReturnType<typeof throughput>>[]> = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, env] of Object.entries(cases)) {
      (runs[name] ??= []).push(await throughput(parent, env));
    }
  }
  await sink.close();
  const of = (name: string, read: "rate" | "cpuUs" | "scrapeMs") =>
    median(runs[name]!.map((run) => run[read]));
  const tracedFact = (name: string, what: string, allowed: string): Fact => {
    const [rate, cpu] = [of(name, "rate"), of(name, "cpuUs")];
    const share = (cpu / cpuUs - 1) * 100;
    return {
      what,
      measured: `${rate.toFixed(0)} /s, ${cpu.toFixed(0)} µs CPU per request: ${
        share < 0 ? "no more" : `${share.toFixed(1)} % more CPU`
      }`,
      allowed,
    };
  };
  const cpuUs = of("off", "cpuUs");
  return [
    {
      what: "Measuring a request",
      measured: `${(addedNs / 1e3).toFixed(2)} µs of ${cpuUs.toFixed(0)} µs CPU per request: ${
        (addedNs / 1e3 / cpuUs * 100).toFixed(1)
      } %`,
      allowed: "5 %",
    },
    {
      what: "One scrape of /metrics",
      measured: `${of("off", "scrapeMs").toFixed(1)} ms`,
      allowed: "–",
    },
    {
      what: "No traces",
      measured: `${of("off", "rate").toFixed(0)} /s, ${cpuUs.toFixed(0)} µs CPU per request`,
      allowed: "–",
    },
    tracedFact("share", "Own spans (`OTEL_DENO_TRACING=false`), one request in 100", "5 %"),
    tracedFact("own", "… of every request (`--trace-ratio 1`)", "–"),
    tracedFact("sampled", "Deno's spans (`OTEL_DENO=true`), its sampler exports 1 of 100", "–"),
    tracedFact("deno", "… and exports all (`OTEL_DENO=true` alone)", "–"),
  ];
}

const machine = await machineFacts();
const parent = await Deno.makeTempDir({ prefix: "converge-bench-" });
try {
  const facts = [...await watching(parent), ...await observing(parent)];
  const rows = facts.map(({ what, measured, allowed }) => `| ${what} | ${measured} | ${allowed} |`);
  const body = [
    "What watching a cluster of three nodes costs, written by `deno task bench:dashboard`. CPU is in",
    `percent of one core over ${SECONDS} s.`,
    "",
    ...machine.map((fact) => `- ${fact}`),
    "",
    "| what | measured | goal |",
    "| --- | ---: | ---: |",
    ...rows,
    "",
    `The CPU is that of all three nodes, the median of ${ROUNDS} rounds by turns; metrics are always`,
    "on. What tracing is: [metrics.md](metrics.md#traces).",
  ].join("\n");
  await writeSections([{ name: "dashboard", title: "Page, metrics and traces", body }]);
  console.log(body);
} finally {
  await Deno.remove(parent, { recursive: true });
}

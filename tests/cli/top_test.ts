/** `converge top`: what it makes of the events of a cluster. */
import { assert, assertEquals } from "@std/assert";
import { showEvents, viewLines } from "../../src/cli/top.ts";
import { topView } from "../../src/cli/live/top_view.ts";
import { runConverge } from "../cluster/harness.ts";
import type { ClusterEvent, NodeSample } from "../../src/http/cluster_watch.ts";

function sample(totals: { reads: number; writes: number; failed?: number }): NodeSample {
  const { reads, writes, failed = 0 } = totals;
  return {
    requests: { reads, writes, readsFailed: failed, writesFailed: 0, repairs: 0, inFlight: 3 },
    latencyCounts: [0, reads + writes, 0],
    keys: 7,
    memtableBytes: 0,
    diskBytes: 3 * 1024 ** 2,
    compactionDebtBytes: 0,
    compactions: 0,
    hintsWaiting: { node2: 4, node3: 1 },
    tombstones: { tombstones: 2, collected: 0, unconfirmed: 0 },
    refill: { done: [], pulled: 9, waitsFor: [] },
    lagMs: 0.5,
    hotKeys: [{ path: "a%20b", requests: 5 }],
  };
}

function event(atMs: number, samples: Record<string, NodeSample | null>): ClusterEvent {
  return {
    atMs,
    self: "node1",
    ready: true,
    quorums: { n: 3, r: 2, w: 2 },
    ring: "x",
    unresolvedSeeds: [],
    latencyBoundsMs: [1, 2],
    members: Object.entries(samples).map(([name, sample]) => ({
      name,
      origin: `http://${name}`,
      status: "normal",
      state: sample === null ? "down" : "up",
      silentMs: 0,
      ownership: 0.5,
      leaving: false,
      sample,
    })),
  };
}

Deno.test("topView() makes rates of totals, over the time between two events", () => {
  const before = event(1_000, { node1: sample({ reads: 100, writes: 50 }), node2: null });
  const now = event(3_000, {
    node1: sample({ reads: 300, writes: 60, failed: 4 }),
    node2: sample({ reads: 1, writes: 1 }),
  });
  const [one, two] = topView(now, before).members;
  assertEquals([one?.readsPerSecond, one?.writesPerSecond, one?.failed], [100, 5, 4]);
  const { p50Ms = null, p99Ms = null } = one ?? {};
  assert((p50Ms ?? 0) > 1 && (p99Ms ?? 9) <= 2, JSON.stringify(one));
  assertEquals([one?.hintsWaiting, one?.tombstones, one?.refilled, one?.keys], [5, 2, 9, 7]);
  // It did not answer the time before: what it shows has no rate yet.
  assertEquals([two?.readsPerSecond, two?.p99Ms, two?.keys], [null, null, 7]);
});

Deno.test("topView() has no rates for a node that was started anew, and no figures for a dead one", () => {
  const before = event(1_000, { node1: sample({ reads: 100, writes: 50 }), node2: null });
  const now = event(2_000, { node1: sample({ reads: 1, writes: 0 }), node2: null });
  const [one, two] = topView(now, before).members;
  assertEquals([one?.readsPerSecond, one?.keys], [null, 7]);
  assertEquals([two?.state, two?.keys, two?.lagMs], ["down", null, null]);
  assertEquals(topView(now).hotKeys, ["a%20b"]);
  assertEquals(topView(before, before).members[0]?.readsPerSecond, null, "within one moment");
});

async function* threeEvents(): AsyncGenerator<ClusterEvent> {
  for (const atMs of [1_000, 2_000, 3_000]) {
    yield event(atMs, { node1: sample({ reads: atMs / 100, writes: 0 }), node2: null });
  }
}

async function shown(options: { json: boolean; once: boolean; isTerminal?: boolean }) {
  const lines: string[] = [];
  await showEvents(threeEvents(), { isTerminal: false, ...options, print: (l) => lines.push(l) });
  return lines;
}

Deno.test("showEvents() with once prints the first view that has rates, and ends", async () => {
  const [line, ...more] = await shown({ json: true, once: true });
  assertEquals(more, []);
  assertEquals(JSON.parse(line!).members[0].readsPerSecond, 10);
});

Deno.test("converge top: a stream that ends is told of, with --once too", async () => {
  const one = `data: ${JSON.stringify(event(1_000, { node1: null }))}\n\n`;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(one),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  for (const more of [[], ["--once"]]) {
    const { code, stderr } = await runConverge(["top", "--json", "--url", url, ...more]);
    assertEquals(code, 1, stderr);
    assert(stderr.includes("has ended the stream"), stderr);
  }
});

Deno.test("showEvents() prints every view; only a terminal is cleared", async () => {
  assertEquals((await shown({ json: true, once: false })).length, 3);
  const plain = await shown({ json: false, once: false });
  assertEquals(plain.length, 3);
  assert(!plain.join("").includes("\x1b"), plain[0]);
  const live = await shown({ json: false, once: false, isTerminal: true });
  assert(live.every((view) => view.startsWith("\x1b[H\x1b[J")), live[0]);
});

Deno.test("viewLines() puts every row in columns, a dash where nothing is known", () => {
  const view = topView(event(1_000, { node1: sample({ reads: 1, writes: 1 }), node2: null }));
  const [title, head, one, two, hot] = viewLines(view, false);
  assertEquals(title, "node1 is ready: N=3 R=2 W=2");
  assertEquals(head?.split("\t").length, one?.split("\t").length);
  assertEquals(two?.split("\t").slice(0, 4), ["node2", "down", "normal", "-"]);
  assertEquals(hot, "asked for most: a%20b");
});

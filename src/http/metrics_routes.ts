/**
 * `/metrics` for Prometheus. The parts of a node count in plain numbers; what is asked for here is
 * put into the library's registry at that moment, so that a scrape costs and a request does not.
 */
import type { Hono } from "hono";
import { Registry } from "prom-client";
import type { Telemetry } from "../metrics/telemetry.ts";
import type { PeerLink } from "../replication/peers/peer_link.ts";
import { type ClusterRoutesOptions, clusterView } from "./cluster_routes.ts";
import { byEvent, type Metrics, metricsInto, one, type Value } from "./metric_values.ts";
import { methodNotAllowed } from "./problem.ts";

/** What the route uses of its node. */
export interface MetricsRoutesOptions extends ClusterRoutesOptions {
  telemetry: Telemetry;
  /** The ways to the peers, by name. */
  links(): ReadonlyMap<string, PeerLink>;
}

/** Adds the route. */
export function metricsRoutes(app: Hono, options: MetricsRoutesOptions): void {
  const registry = createRegistry(options);
  app.get("/metrics", async () => {
    const text = await registry.metrics();
    return new Response(text, { headers: { "content-type": registry.contentType } });
  });
  app.all("/metrics", ({ req }) => methodNotAllowed(req.method, "GET, HEAD"));
}

/** All metrics of a node; the names are part of the interface (docs/metrics.md). */
function createRegistry(options: MetricsRoutesOptions): Registry {
  const registry = new Registry();
  const metrics = metricsInto(registry);
  latencyMetrics(metrics, options);
  requestMetrics(metrics, options);
  hintMetrics(metrics, options);
  antiEntropyMetrics(metrics, options);
  refillMetrics(metrics, options);
  deletionMetrics(metrics, options);
  peerMetrics(metrics, options);
  nodeMetrics(metrics, options);
  storageMetrics(metrics, options);
  return registry;
}

function latencyMetrics({ histogram }: Metrics, { telemetry }: MetricsRoutesOptions): void {
  histogram(
    "converge_http_request_duration_seconds",
    "Time from a request's arrival to its answer, by route and outcome.",
    () =>
      telemetry.requests.latencies().map(({ method, route, outcome, latency }) => [
        { method, route, outcome },
        latency,
      ]),
  );
  histogram(
    "converge_fsync_duration_seconds",
    "Time of fsync, of the write-ahead log and of other files.",
    () => [[{ file: "wal" }, telemetry.syncs.log], [{ file: "other" }, telemetry.syncs.other]],
  );
}

function requestMetrics({ counter, gauge }: Metrics, { coordinator }: MetricsRoutesOptions): void {
  counter(
    "converge_quorum_requests_total",
    "Requests coordinated here, by operation and whether their quorum was reached.",
    () => {
      const { reads, readsFailed, writes, writesFailed } = coordinator.counts;
      return [
        [{ operation: "read", outcome: "reached" }, reads - readsFailed],
        [{ operation: "read", outcome: "failed" }, readsFailed],
        [{ operation: "write", outcome: "reached" }, writes - writesFailed],
        [{ operation: "write", outcome: "failed" }, writesFailed],
      ];
    },
  );
  gauge(
    "converge_requests_in_flight",
    "Client requests under way.",
    one(() => coordinator.inFlight),
  );
  counter(
    "converge_read_repairs_total",
    "Owners' copies that reads have repaired.",
    one(() => coordinator.counts.repairs),
  );
}

function hintMetrics({ counter, gauge }: Metrics, options: MetricsRoutesOptions): void {
  const { hints, gossip } = options;
  counter("converge_hints_total", "Hints, by what became of them.", () => {
    const { added, delivered, dropped } = hints.counts();
    return byEvent({ added, delivered, dropped });
  });
  gauge("converge_hints_waiting", "Hints that wait for their owner.", () => {
    const { waiting } = hints.counts();
    const peers = gossip.members.filter(({ name }) => name !== gossip.self.name);
    return peers.map(({ name }) => [{ peer: name }, waiting[name] ?? 0]); // one that comes and goes has no rate
  });
}

function antiEntropyMetrics(
  { counter, gauge }: Metrics,
  { antiEntropy }: MetricsRoutesOptions,
): void {
  const help =
    "Rounds of anti-entropy, by outcome; put_off: waited for fewer writes, or for hints.";
  counter("converge_anti_entropy_rounds_total", help, () => {
    const { roundsDone, roundsEqual, roundsFailed, roundsPutOff } = antiEntropy.counts;
    return [
      [{ outcome: "done" }, roundsDone],
      [{ outcome: "equal" }, roundsEqual],
      [{ outcome: "put_off" }, roundsPutOff],
      [{ outcome: "failed" }, roundsFailed],
    ];
  });
  counter("converge_anti_entropy_records_total", "Records in anti-entropy.", () => {
    const { pulled, pushed, compared } = antiEntropy.counts;
    return byEvent({ pulled, pushed, compared });
  });
  gauge(
    "converge_anti_entropy_round_seconds",
    "Time that the last round of anti-entropy took.",
    one(() => antiEntropy.counts.lastRoundMs / 1_000),
  );
  gauge(
    "converge_anti_entropy_tree_seconds",
    "Time that bringing the hash tree up to date took last.",
    one(() => antiEntropy.counts.lastTreeMs / 1_000),
  );
}

function refillMetrics({ counter }: Metrics, { refill }: MetricsRoutesOptions): void {
  counter(
    "converge_refill_records_total",
    "Records taken from others to fill this node again.",
    one(() => refill.progress().pulled),
  );
}

function deletionMetrics({ counter, gauge }: Metrics, options: MetricsRoutesOptions): void {
  const { collector, cleanup } = options;
  gauge(
    "converge_tombstones",
    "Tombstones and expired records found in the last round of collection.",
    one(() => collector.counts.tombstones),
  );
  counter(
    "converge_tombstones_collected_total",
    "Tombstones and expired records that were dropped, every owner having confirmed them.",
    one(() => collector.counts.collected),
  );
  counter(
    "converge_cleanup_records_total",
    "Records that were erased, since this node no longer owns their keys.",
    one(() => cleanup.erased),
  );
}

function peerMetrics({ counter, gauge }: Metrics, options: MetricsRoutesOptions): void {
  const { links, gossip, clock } = options;
  gauge(
    "converge_peer_queue_bytes",
    "Bytes that wait to be sent to a peer.",
    () => [...links()].map(([peer, link]) => [{ peer }, link.queuedBytes]),
  );
  gauge(
    "converge_peer_latency_seconds",
    "Mean round trip of a batch to a peer, recent ones weighing more.",
    () => {
      const nowMs = clock.monotonicMs();
      return [...links()].map(([peer, link]) => [{ peer }, link.latencyMs(nowMs) / 1_000]);
    },
  );
  counter(
    "converge_peer_bytes_total",
    "Bytes of questions sent to a peer, and of its answers.",
    () =>
      [...links()].flatMap(([peer, { traffic }]): Value[] => [
        [{ peer, direction: "sent" }, traffic.sentBytes],
        [{ peer, direction: "received" }, traffic.receivedBytes],
      ]),
  );
  gauge(
    "converge_member_up",
    "1 for a member that is heard of, 0.5 when suspect, 0 when down.",
    () => {
      const nowMs = clock.monotonicMs();
      // A removal waits for the one that leaves, too.
      return [...gossip.members, ...gossip.leaving].map(({ name }) => {
        const liveness = gossip.livenessOf(name, nowMs);
        return [{ member: name }, liveness === "up" ? 1 : liveness === "suspect" ? 0.5 : 0];
      });
    },
  );
}

function nodeMetrics({ gauge }: Metrics, options: MetricsRoutesOptions): void {
  gauge("converge_ready", "1 when the node serves.", one(() => Number(clusterView(options).ready)));
  gauge(
    "converge_event_loop_lag_seconds",
    "How late the last timer fired.",
    one(() => options.telemetry.lag.lastMs / 1_000),
  );
}

function storageMetrics({ counter, gauge }: Metrics, { store }: MetricsRoutesOptions): void {
  const of = (read: (s: ReturnType<typeof store.statistics>) => number) => (): Value[] => [
    [{}, read(store.statistics())],
  ];
  gauge(
    "converge_keys",
    "Keys with a record, by keyspace, about.",
    () =>
      Object.entries(store.statistics().approximateKeys).map(([keyspace, keys]) => [
        { keyspace },
        keys,
      ]),
  );
  gauge("converge_memtable_bytes", "Bytes in memory tables.", of((s) => s.memtableBytes));
  gauge("converge_wal_bytes", "Bytes in the write-ahead log.", of((s) => s.logBytes));
  gauge("converge_tables", "Tables on disk.", of((s) => s.tableCount));
  gauge("converge_table_bytes", "Bytes of tables on disk.", of((s) => s.tableBytes));
  gauge("converge_cache_bytes", "Bytes in the block cache.", of((s) => s.cacheBytes));
  gauge(
    "converge_compaction_debt_bytes",
    "Bytes that compaction still has to move to be at rest.",
    of((s) => s.compactionDebtBytes),
  );
  counter("converge_flushes_total", "Memory tables flushed.", of((s) => s.flushesTotal));
  counter("converge_compactions_total", "Compactions done.", of((s) => s.compactionsTotal));
  counter(
    "converge_compacted_bytes_total",
    "Bytes written by compactions.",
    of((s) => s.compactedBytesTotal),
  );
  counter(
    "converge_applied_records_total",
    "Records applied to the store.",
    of((s) => s.appliedTotal),
  );
  counter("converge_wal_syncs_total", "Syncs of the log.", of((s) => s.syncsTotal));
}

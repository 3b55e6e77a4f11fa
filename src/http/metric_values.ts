/** Metrics whose values are read in the moment in which they are asked for. */
import type { Metric, Registry } from "prom-client";
import { LATENCY_BOUNDS_MS, type LatencyHistogram } from "../metrics/latency_histogram.ts";

/** Labels and a number. */
export type Value = readonly [labels: Record<string, string>, value: number];

type Latency = readonly [labels: Record<string, string>, latency: LatencyHistogram];

/** Where metrics go. */
export interface Metrics {
  readonly counter: (name: string, help: string, values: () => Value[]) => void;
  readonly gauge: (name: string, help: string, values: () => Value[]) => void;
  /** Over counts that somebody else keeps; in seconds, as Prometheus wants it. */
  readonly histogram: (name: string, help: string, latencies: () => Latency[]) => void;
}

/** Puts metrics into a registry. */
export function metricsInto(registry: Registry): Metrics {
  // What the registry asks of a metric; its own kinds keep values of theirs.
  const add = (type: MetricType, name: string, help: string, read: () => Sample[]) => {
    const get = async () => ({ name, help, type, values: read(), aggregator: "sum" });
    registry.registerMetric({ name, help, type, aggregator: "sum", get } as unknown as Metric);
  };
  return {
    counter: (name, help, values) => add("counter", name, help, () => values().map(sampleOf)),
    gauge: (name, help, values) => add("gauge", name, help, () => values().map(sampleOf)),
    histogram: (name, help, latencies) =>
      add("histogram", name, help, () => latencies().flatMap((of) => histogramOf(name, of))),
  };
}

/** The one value of a metric without labels. */
export function one(value: () => number): () => Value[] {
  return () => [[{}, value()]];
}

/** Counts with the label `event`. */
export function byEvent(counts: Record<string, number>): Value[] {
  return Object.entries(counts).map(([event, count]) => [{ event }, count]);
}

/** A value as the registry wants it: those of a histogram have names of their own. */
interface Sample {
  metricName?: string;
  labels: Record<string, string>;
  value: number;
}

type MetricType = "counter" | "gauge" | "histogram";

function sampleOf([labels, value]: Value): Sample {
  return { labels, value };
}

function histogramOf(name: string, [labels, latency]: Latency): Sample[] {
  let below = 0;
  const buckets = LATENCY_BOUNDS_MS.map((bound, i) => {
    below += latency.counts[i]!;
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: String(bound / 1_000) },
      value: below,
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: latency.total },
    { metricName: `${name}_sum`, labels, value: latency.sumMs / 1_000 },
    { metricName: `${name}_count`, labels, value: latency.total },
  ];
}

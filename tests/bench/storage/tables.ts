/** What was measured, as tables. */
import { figure, judged, mebibytes, type Table } from "../cluster/table.ts";
import type { Alone } from "./alone.ts";
import type { Comparison, Row } from "./comparison.ts";

/** Bounds of issue and plan for this engine alone. */
const STALL_MS_MAX = 10;
const RESIDENT_MIB_MAX = 300;
const SPACE_MAX = 1.5;

/** One comparison in full. */
export function comparisonTable({ dataset, rows, space }: Comparison): Table {
  return {
    title: `${titleOf(dataset)}, operations per second and CPU time per operation`,
    header: ["", "Converge", "classic-level", "ratio", "CPU us", "classic-level's"],
    rows: [
      ...rows.map((row) => [
        row.name,
        figure(row.ours.perSecond),
        figure(row.theirs.perSecond),
        judged(ratioOf(row), row.target, "least"),
        figure(row.ours.cpuMicroseconds),
        figure(row.theirs.cpuMicroseconds),
      ]),
      ["bytes on disk per byte of keys and values", figure(space.ours), figure(space.theirs)],
    ],
  };
}

/** Ratios of several comparisons, one column each. */
export function growthTable(comparisons: readonly Comparison[]): Table {
  const [first] = comparisons;
  return {
    title: "Ratio to classic-level by number of keys",
    header: ["", ...comparisons.map(({ dataset }) => figure(dataset.keys))],
    rows: first!.rows.map(({ name, target }, i) => [
      name,
      ...comparisons.map(({ rows }) => judged(ratioOf(rows[i]!), target, "least")),
    ]),
  };
}

/** What the operations cost as the number of keys grows. */
export function costTable(comparisons: readonly Comparison[]): Table {
  return {
    title: "CPU time of Converge per operation by number of keys, microseconds",
    header: ["", ...comparisons.map(({ dataset }) => figure(dataset.keys))],
    rows: comparisons[0]!.rows.map(({ name }, i) => [
      name,
      ...comparisons.map(({ rows }) => figure(rows[i]!.ours.cpuMicroseconds)),
    ]),
  };
}

/** This engine alone. */
export function aloneTable(alone: Alone): Table {
  const { floorStallMs, stallMs, durableStallMs } = alone;
  const quantiles = ({ p50, p99, max }: Alone["stallMs"]) =>
    `${figure(p50)} / ${figure(p99)} / ${figure(max)} ms`;
  return {
    title: `${titleOf(alone)}, this engine alone in a process, default settings`,
    header: ["", ""],
    rows: [
      ["load in batches of 100, without sync", `${figure(alone.perSecond)} per s`],
      ["CPU time per record, flush and compaction included", us(alone.cpuMicroseconds)],
      [
        "event loop with turns that count for 2 ms: stalls p50 / p99 / longest",
        quantiles(floorStallMs),
      ],
      ["the same: 99.9th percentile, the machine's own part, ms", figure(floorStallMs.p999)],
      ["event loop while loading: stalls p50 / p99 / longest", quantiles(stallMs)],
      ["event loop while loading: 99.9th percentile, ms", most(stallMs.p999, STALL_MS_MAX)],
      ["under durable puts, 100 waiting, and gets: p50 / p99 / longest", quantiles(durableStallMs)],
      [
        "under durable puts and gets: 99.9th percentile, ms",
        most(durableStallMs.p999, STALL_MS_MAX),
      ],
      ["resident at the end, MiB", most(alone.residentBytes / 2 ** 20, RESIDENT_MIB_MAX)],
      ["resident at most, MiB", mebibytes(alone.residentMaxBytes)],
      ["bytes on disk after quiet, per byte of records", most(alone.spaceOfRecords, SPACE_MAX)],
      ["bytes on disk after quiet, per byte of keys and values", figure(alone.spaceOfData)],
      [
        "written to log and tables, per byte of records put",
        `${figure(alone.writeAmplification)}, ${figure(alone.compactedShare)} by compaction`,
      ],
    ],
  };
}

function ratioOf({ ours, theirs }: Row): number {
  return ours.perSecond / theirs.perSecond;
}

function most(value: number, bound: number): string {
  return judged(value, bound, "most");
}

function us(value: number): string {
  return `${figure(value)} us`;
}

function titleOf({ keys, valueBytes }: { keys: number; valueBytes: number }): string {
  return `${keys.toLocaleString("en-US")} keys, values of ${figure(valueBytes)} bytes`;
}

/** Plots as SVG, drawn by ECharts without a browser. */
import { init } from "echarts";
import type { Comparison } from "./comparison.ts";
import type { Growth } from "./growth.ts";

/** White behind everything, so that they can be read in dark pages too. */
const COMMON = { animation: false, backgroundColor: "#ffffff" };
const COLORS: Record<string, string> = { floor: "#9aa5b1", etcd: "#e09f3e", converge: "#2f6fde" };
const WIDTH = 900;

/** Throughput of all targets by work. */
export function comparisonPlot(comparisons: readonly Comparison[]): string {
  const names = [...new Set(comparisons.flatMap(({ rows }) => rows.map(({ target }) => target)))];
  return draw(360, {
    ...COMMON,
    title: { text: "Throughput, requests per second" },
    legend: { top: 30 },
    grid: { left: 70, right: 20, top: 70, bottom: 40 },
    xAxis: { type: "category", data: comparisons.map(({ work }) => work.part) },
    yAxis: { type: "value" },
    series: names.map((name) => ({
      name,
      type: "bar",
      color: COLORS[name],
      label: { show: true, position: "top", formatter: thousands },
      data: comparisons.map(({ rows }) =>
        Math.round(rows.find(({ target }) => target === name)?.median.throughput ?? 0)
      ),
    })),
  });
}

/** Throughput and p99 of each growth, side by side. */
export function growthPlot(growths: readonly Growth[]): string {
  const column = 100 / growths.length;
  const place = (i: number) => ({ left: `${i * column + 7}%`, width: `${column - 11}%` });
  return draw(560, {
    ...COMMON,
    title: growths.flatMap(({ by }, i) => [
      { text: `Throughput/s by ${by}`, left: `${i * column + 3}%`, top: 30, textStyle: SMALL },
      { text: `p99 ms by ${by}`, left: `${i * column + 3}%`, top: 300, textStyle: SMALL },
    ]),
    legend: { top: 0, data: ["PUT", "GET"] },
    grid: growths.flatMap((_, i) => [
      { ...place(i), top: 65, height: 190 },
      { ...place(i), top: 335, height: 190 },
    ]),
    xAxis: growths.flatMap(({ steps }, i) =>
      [0, 1].map((half) => ({
        type: "category",
        gridIndex: 2 * i + half,
        data: steps.map(({ at }) => at >= 1000 ? thousands({ value: at }) : `${at}`),
      }))
    ),
    yAxis: growths.flatMap((_, i) =>
      [0, 1].map((half) => ({ type: "value", gridIndex: 2 * i + half, min: 0 }))
    ),
    series: growths.flatMap(({ steps }, i) =>
      (["put", "get"] as const).flatMap((kind) =>
        [0, 1].map((half) => ({
          name: kind.toUpperCase(),
          type: "line",
          color: kind === "put" ? "#2f6fde" : "#3a9d6e",
          xAxisIndex: 2 * i + half,
          yAxisIndex: 2 * i + half,
          data: steps.map((step) => half === 0 ? step[kind].throughput : step[kind].p99Ms),
        }))
      )
    ),
  });
}

const SMALL = { fontSize: 13 };

function thousands({ value }: { value: unknown }): string {
  const number = Number(value);
  if (number >= 1_000_000) return `${number / 1_000_000}M`;
  return number >= 1_000 ? `${Number((number / 1_000).toFixed(1))}k` : `${number}`;
}

function draw(height: number, option: Record<string, unknown>): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption(option);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg + "\n";
}

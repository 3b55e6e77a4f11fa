/// <reference lib="dom" />
/** The live charts, over the last minutes. */
import uPlot from "uplot";
import { byId, h, setText } from "./dom.ts";
import { amount, bytes, duration } from "./format.ts";
import { type Point, POINTS_MAX, RecentPoints } from "./rates.ts";

const HEIGHT = 150;
const X_SPLITS = [-180, -120, -60, 0];

interface Line {
  name: string;
  /** The variable of the style sheet that holds its colour. */
  colour: string;
  read(point: Point): number | null;
}

interface ChartPlan {
  title: string;
  format(value: number): string;
  /** The scale goes at least so high. */
  least: number;
  lines: Line[];
}

const PLANS: ChartPlan[] = [
  {
    title: "Throughput per second",
    format: amount,
    least: 5,
    lines: [
      { name: "reads", colour: "--n0", read: (point) => point.readsPerSecond },
      { name: "writes", colour: "--n2", read: (point) => point.writesPerSecond },
      { name: "failed", colour: "--bad", read: (point) => point.failedPerSecond },
    ],
  },
  {
    title: "Latency of requests",
    format: duration,
    least: 1,
    lines: [
      { name: "p50", colour: "--n4", read: (point) => point.p50Ms },
      { name: "p99", colour: "--n1", read: (point) => point.p99Ms },
    ],
  },
  {
    title: "Read repairs and hints",
    format: amount,
    least: 5,
    lines: [
      { name: "repairs /s", colour: "--n6", read: (point) => point.repairsPerSecond },
      { name: "hints waiting", colour: "--n3", read: (point) => point.hintsWaiting },
    ],
  },
  {
    title: "Compaction debt",
    format: bytes,
    least: 1_000,
    lines: [{ name: "bytes", colour: "--n5", read: (point) => point.compactionDebtBytes }],
  },
];

/** All charts. */
export class Charts {
  readonly #points = new RecentPoints();
  readonly #charts = PLANS.map((plan) => new Chart(plan));

  constructor() {
    byId("charts").append(...this.#charts.map(({ element }) => element));
    for (const chart of this.#charts) chart.draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const chart of this.#charts) chart.draw();
      this.#show();
    });
  }

  /** Adds a point at the right. */
  add(point: Point): void {
    this.#points.add(point);
    if (!document.hidden) this.#show();
  }

  /** The worst p99 of the last ten seconds. */
  recentP99Ms(): number | null {
    return this.#points.worstP99Ms(10_000);
  }

  #show(): void {
    const points = this.#points.all;
    const last = points.at(-1)?.atMs ?? 0;
    const seconds = points.map(({ atMs }) => (atMs - last) / 1_000);
    for (const chart of this.#charts) chart.show(seconds, points);
  }
}

class Chart {
  readonly element: HTMLElement;
  readonly #plan: ChartPlan;
  readonly #frame: HTMLElement;
  readonly #values: HTMLElement[];
  #plot: uPlot | undefined;

  constructor(plan: ChartPlan) {
    this.#plan = plan;
    this.#frame = h("div", {
      class: "chart-plot",
      role: "img",
      "aria-label": `Chart: ${plan.title}`,
    });
    this.#values = plan.lines.map(() => h("span", {}, "–"));
    const keys = plan.lines.map(({ name, colour }, i) => {
      const mark = h("span", { class: "dot", "aria-hidden": "true" });
      mark.style.background = `var(${colour})`;
      return h("span", { class: "key-of" }, mark, `${name} `, this.#values[i]!);
    });
    this.element = h(
      "div",
      { class: "chart" },
      h("div", { class: "chart-head" }, h("h3", {}, plan.title), ...keys),
      this.#frame,
    );
    new ResizeObserver(() => {
      if (this.#frame.clientWidth > 0) {
        this.#plot?.setSize({ width: this.#frame.clientWidth, height: HEIGHT });
      }
    }).observe(this.#frame);
  }

  /** Makes the plot anew, in the colours of now. */
  draw(): void {
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name);
    const { format, least, lines } = this.#plan;
    const axis = {
      stroke: colour("--soft"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui",
    };
    this.#plot = new uPlot(
      {
        width: this.#frame.clientWidth || 260,
        height: HEIGHT,
        padding: [8, 18, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: () => [-POINTS_MAX, 0] },
          y: { range: (_plot, _low, high) => [0, Math.max(least, (high ?? 0) * 1.15)] },
        },
        axes: [
          { ...axis, size: 26, splits: () => X_SPLITS, values: (_plot, splits) => splits.map(ago) },
          { ...axis, size: 58, values: (_plot, splits) => splits.map((value) => format(value)) },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            stroke: colour(line.colour),
            width: 2,
            points: { show: true, size: 3 },
            spanGaps: true,
          })),
        ],
      },
      [[], ...lines.map(() => [])],
      this.#frame,
    );
  }

  show(seconds: number[], points: readonly Point[]): void {
    const columns = this.#plan.lines.map(({ read }) => points.map(read));
    this.#plot?.setData([seconds, ...columns]);
    columns.forEach((column, i) => {
      const value = column.at(-1) ?? null;
      setText(this.#values[i]!, value === null ? "–" : this.#plan.format(value));
    });
  }
}

function ago(seconds: number): string {
  return seconds === 0 ? "now" : `−${-seconds / 60} min`;
}

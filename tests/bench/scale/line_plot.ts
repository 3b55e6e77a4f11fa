/** A small SVG line plot: a few series over a few named points. */

/** What to draw. */
export interface LinePlot {
  title: string;
  /** Names of the points, left to right. */
  points: readonly string[];
  xLabel: string;
  yLabel: string;
  series: readonly { name: string; values: readonly number[] }[];
}

const WIDTH = 640;
const HEIGHT = 320;
const LEFT = 64;
const RIGHT = 160;
const TOP = 40;
const BOTTOM = 48;
const COLORS = ["#2563eb", "#d97706", "#059669", "#dc2626"];

/** The plot as SVG text, readable on light and dark ground. */
export function linePlot({ title, points, xLabel, yLabel, series }: LinePlot): string {
  const max = Math.max(...series.flatMap(({ values }) => values)) * 1.1;
  const x = (i: number) => LEFT + (WIDTH - LEFT - RIGHT) * (i + 0.5) / points.length;
  const y = (value: number) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / max;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => part * max);
  const text = (x: number, y: number, content: string, more = "") =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${content}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
    `font-family="sans-serif" font-size="12" fill="#666">`,
    text(LEFT, 20, title, `font-size="14" font-weight="bold"`),
    ...ticks.map((value) =>
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value).toFixed(1)}" ` +
      `y2="${y(value).toFixed(1)}" stroke="#8884"/>` +
      text(LEFT - 8, y(value) + 4, value.toPrecision(2).replace(/\.0$/, ""), `text-anchor="end"`)
    ),
    ...points.map((name, i) => text(x(i), HEIGHT - BOTTOM + 18, name, `text-anchor="middle"`)),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, xLabel, `text-anchor="middle"`),
    text(16, TOP - 8, yLabel),
    ...series.map(({ name, values }, s) => {
      const color = COLORS[s % COLORS.length];
      const path = values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      return `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>` +
        values.map((value, i) =>
          `<circle cx="${x(i).toFixed(1)}" cy="${y(value).toFixed(1)}" r="3" fill="${color}"/>`
        ).join("") +
        text(WIDTH - RIGHT + 12, TOP + 20 * s, name, `fill="${color}"`);
    }),
    "</svg>",
    "",
  ].join("\n");
}

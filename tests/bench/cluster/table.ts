/** Tables in Markdown, padded as `deno fmt` wants them, and readable in a terminal. */

/** A table: header and rows of cells. */
export interface Table {
  title: string;
  header: readonly string[];
  rows: readonly (readonly string[])[];
}

/** Markdown with its title as a bold line. */
export function markdown({ title, header, rows }: Table): string {
  const widths = header.map((cell, i) =>
    Math.max(3, cell.length, ...rows.map((row) => row[i]?.length ?? 0))
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (cells[i] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [`**${title}**`, "", line(header), rule, ...rows.map(line)].join("\n");
}

/** A number with as many digits as it deserves; a dash when there is none. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** Bytes in MiB. */
export function mebibytes(bytes: number): string {
  return figure(bytes / 1024 ** 2);
}

/** A ratio beside what is to be reached: `0.52 (>= 0.40)`, marked where it is missed. */
export function judged(value: number, bound: number | undefined, kind: "least" | "most"): string {
  if (!Number.isFinite(value)) return "-";
  if (bound === undefined) return figure(value);
  const reached = kind === "least" ? value >= bound : value <= bound;
  const sign = kind === "least" ? ">=" : "<=";
  return `${figure(value)} (${sign} ${bound}${reached ? "" : ": missed"})`;
}

/** Tables: with lines on a terminal, plain columns for other programs to cut. */
import Table from "cli-table3";

/** The lines of a table. */
export function tableLines(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  isTerminal: boolean = Deno.stdout.isTerminal(),
): string[] {
  if (!isTerminal) return [head, ...rows].map((row) => row.join("\t"));
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  table.push(...rows.map((row) => [...row]));
  return table.toString().split("\n");
}

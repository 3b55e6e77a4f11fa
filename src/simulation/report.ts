/** What is printed of a run that broke a guarantee. */
import type { Operation } from "./evidence/history.ts";
import type { RunResult } from "./run_plan.ts";

/** Violations told in full. */
const VIOLATIONS_MAX = 10;
/** Lines of history told at most. */
const HISTORY_LINES_MAX = 200;
/** Characters of a value that are shown. */
const VALUE_LENGTH_MAX = 24;

/** What the report cannot know by itself. */
export interface ReportOptions {
  /** What the program was built from. */
  commit: string;
  /** The command line that runs it again. */
  replay: string;
}

/** Lines for people: what broke, under which plan, how to run it again, and what happened. */
export function failureReport(result: RunResult, options: ReportOptions): string[] {
  const { plan, violations } = result;
  const keys = new Set(violations.slice(0, VIOLATIONS_MAX).flatMap(({ keys }) => keys));
  return [
    `seed ${plan.seed} broke a guarantee (commit ${options.commit}, history ${result.hash})`,
    ...violations.slice(0, VIOLATIONS_MAX).map(({ checker, message, operations }) =>
      `  ${checker}: ${message}` +
      (operations.length === 0 ? "" : ` [${operations.map((id) => `#${id}`).join(" ")}]`)
    ),
    ...(violations.length > VIOLATIONS_MAX
      ? [`  and ${violations.length - VIOLATIONS_MAX} more`]
      : []),
    `plan    ${JSON.stringify(plan)}`,
    `replay  ${options.replay}`,
    `history of ${
      keys.size === 0 ? "all nodes" : [...keys].map((key) => JSON.stringify(key)).join(", ")
    }`,
    ...historyLines(result, keys).map((line) => `  ${line}`),
  ];
}

/** Operations on these keys, and everything else that is no operation, in order of time. */
function historyLines(result: RunResult, keys: ReadonlySet<string>): string[] {
  const lines = result.history.lines.flatMap((line): string[] => {
    const { event, atMs, ...fields } = JSON.parse(line);
    if (event === "operation") return keys.has(fields.key) ? [operationLine(fields)] : [];
    if (event === "plan" || fields.level === "info") return [];
    return [`${time(atMs)}  ${event} ${JSON.stringify(fields)}`];
  });
  const left = lines.length - HISTORY_LINES_MAX;
  return left <= 0
    ? lines
    : [...lines.slice(0, HISTORY_LINES_MAX), `and ${left} lines more: see --trace`];
}

/** One operation, as in the report and in documents. */
export function operationLine(operation: Operation): string {
  const { id, client, kind, key, node, quorum, beginMs, endMs, outcome, version } = operation;
  const what = kind === "put" ? ` ${short(operation.value)}` : "";
  const seen = operation.found === undefined ? "" : ` -> ${short(operation.found)}`;
  return `${time(beginMs)}-${time(endMs)}  #${id} ${client} at ${node}: ${kind} ` +
    JSON.stringify(key) + what + (quorum === undefined ? "" : ` quorum ${quorum}`) +
    ` ${outcome}${seen}` +
    (version === undefined ? "" : ` ${version.counter}-${version.nodeID}`) +
    (operation.reason === undefined ? "" : ` (${operation.reason})`);
}

function short(value: string | null | undefined): string {
  if (value === null || value === undefined) return "nothing";
  return value.length <= VALUE_LENGTH_MAX ? value : `${value.slice(0, VALUE_LENGTH_MAX)}...`;
}

function time(ms: number): string {
  return Number.isFinite(ms) ? (ms / 1_000).toFixed(4) : "never";
}

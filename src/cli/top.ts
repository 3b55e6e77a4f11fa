/** `converge top`: what every node of a cluster is doing, once a second. */
import type { ClusterEvent } from "../http/cluster_watch.ts";
import { ClientError } from "../client/client_error.ts";
import { clusterEvents } from "./live/cluster_events.ts";
import { untilSignal } from "./signals.ts";
import { tableLines } from "./output/table.ts";
import { printLine } from "./output/terminal.ts";
import { type TopRow, type TopView, topView } from "./live/top_view.ts";

/** What `converge top` is told. */
export interface TopSettings {
  url: string;
  json: boolean;
  /** End after the first view that has rates. */
  once: boolean;
}

/** Moves to the upper left and clears what is below: no flicker, and no trail of old tables. */
const HOME_AND_CLEAR = "\x1b[H\x1b[J";

/**
 * Shows views until Ctrl-C, or one with `once`.
 *
 * @throws {ClientError} When the node cannot be reached, or stops.
 */
export async function runTop({ url, json, once }: TopSettings): Promise<void> {
  const abort = new AbortController();
  const signal = untilSignal();
  void signal.received.then(() => abort.abort());
  try {
    const events = clusterEvents(url, abort.signal);
    const isShown = await showEvents(events, { json, once, print: printLine });
    if (!isShown && !abort.signal.aborted) throw new ClientError(`${url} has ended the stream`);
  } finally {
    abort.abort();
    signal.forget();
  }
}

/**
 * Prints a view of each event; with `once` only the first that has rates: that of the second.
 *
 * @returns Whether that one was printed, rather than that there are no more events.
 */
export async function showEvents(
  events: AsyncIterable<ClusterEvent>,
  options: { json: boolean; once: boolean; print(line: string): void; isTerminal?: boolean },
): Promise<boolean> {
  const { json, once, print, isTerminal = Deno.stdout.isTerminal() } = options;
  let before: ClusterEvent | undefined;
  for await (const event of events) {
    const view = topView(event, before);
    const isFirst = before === undefined;
    before = event;
    if (once && isFirst) continue;
    if (json) print(JSON.stringify(view));
    else {print(
        (isTerminal && !once ? HOME_AND_CLEAR : "") + viewLines(view, isTerminal).join("\n"),
      );}
    if (once) return true;
  }
  return false;
}

/** A view as text. */
export function viewLines(view: TopView, isTerminal: boolean): string[] {
  const { self, ready, quorums: { n, r, w }, members, hotKeys } = view;
  return [
    `${self} ${ready ? "is ready" : "is not ready"}: N=${n} R=${r} W=${w}`,
    ...tableLines(HEAD, members.map(cells), isTerminal),
    ...(hotKeys.length === 0 ? [] : [`asked for most: ${hotKeys.join("  ")}`]),
  ];
}

const HEAD = [
  "node",
  "state",
  "data",
  "reads/s",
  "writes/s",
  "failed",
  "p50 ms",
  "p99 ms",
  "under way",
  "keys",
  "disk MiB",
  "hints",
  "tombstones",
  "refilled",
  "lag ms",
];

function cells(row: TopRow): string[] {
  return [
    row.name,
    row.state,
    row.status,
    figure(row.readsPerSecond),
    figure(row.writesPerSecond),
    figure(row.failed),
    figure(row.p50Ms, 2),
    figure(row.p99Ms, 2),
    figure(row.inFlight),
    figure(row.keys),
    figure(row.diskBytes === null ? null : row.diskBytes / 1024 ** 2, 1),
    figure(row.hintsWaiting),
    figure(row.tombstones),
    figure(row.refilled),
    figure(row.lagMs, 1),
  ];
}

function figure(value: number | null, digits = 0): string {
  return value === null ? "-" : value.toFixed(digits);
}

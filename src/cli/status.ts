/** `converge status | ring`: how a cluster stands, as one of its nodes sees it. */
import { ConvergeClient } from "../client/client.ts";
import { counted } from "./output/counted.ts";
import { keyOfArgument } from "./keys.ts";
import { waitsOf } from "./remove.ts";
import { tableLines } from "./output/table.ts";
import { printLine } from "./output/terminal.ts";

/** What both commands are told. */
export interface StatusSettings {
  /** Nodes of the cluster, the first first. */
  urls: readonly string[];
  json: boolean;
}

/** Members, who is up, what is waiting. */
export async function runStatus({ urls, json }: StatusSettings): Promise<void> {
  const view = await new ConvergeClient(urls).cluster();
  if (json) return printLine(JSON.stringify(view));
  const { n, r, w } = view.quorums;
  printLine(
    `${view.self} ${view.ready ? "is ready" : "is not ready"}: N=${n} R=${r} W=${w}, ` +
      `${counted(view.storage.tableCount, "table")}, ` +
      `${counted(view.requests.inFlight, "request")} under way`,
  );
  const rows = view.members.map((member) => [
    member.name,
    member.state,
    member.status,
    member.origin,
    percent(member.ownership),
    String(view.hints.waiting[member.name] ?? 0),
  ]);
  printTable(["node", "state", "data", "url", "ring", "hints waiting"], rows);
  // A node of an earlier version tells of neither.
  const waitsFor = view.refill.waitsFor ?? [];
  if (waitsFor.length > 0) printLine(`${view.self} waits for ${waitsFor.join(", ")}`);
  for (const removal of view.removals ?? []) {
    printLine(`${waitsOf(removal, view.members)} (it is being removed)`);
  }
  for (const seed of view.unresolvedSeeds) printLine(`${seed} was named but never heard of`);
}

/** Who owns how much of the ring; with a key, where it lies and who holds which version of it. */
export async function runRing(
  key: string | undefined,
  { urls, json }: StatusSettings,
): Promise<void> {
  const client = new ConvergeClient(urls);
  if (key === undefined) {
    const { members } = await client.cluster();
    const shares = members.map(({ name, ownership }) => ({ name, ownership }));
    if (json) return printLine(JSON.stringify(shares));
    const bar = (share: number) => "█".repeat(Math.round(share * 40));
    const rows = shares.map(({ name, ownership }) => [name, percent(ownership), bar(ownership)]);
    return printTable(["node", "first owner of", ""], rows);
  }
  const receipt = await client.explain("GET", keyOfArgument(key));
  if (json) return printLine(JSON.stringify(receipt));
  printLine(`${JSON.stringify(key)} lies at ${receipt.token}; ${receipt.why}`);
  const rows = receipt.owners.map((owner) => [
    owner.name,
    owner.outcome,
    owner.version ?? "",
    owner.ms === undefined ? "" : `${owner.ms.toFixed(1)} ms`,
  ]);
  printTable(["owner", "answer", "version", "after"], rows);
}

function printTable(head: string[], rows: string[][]): void {
  for (const line of tableLines(head, rows)) printLine(line);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

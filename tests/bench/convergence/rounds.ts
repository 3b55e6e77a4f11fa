/** What one round of anti-entropy costs, when all is equal and when a few keys differ. */
import { ConvergeTarget } from "../cluster/converge_target.ts";
import { figure, type Table } from "../cluster/table.ts";
import { pause, say } from "../cluster/workspace.ts";
import { areEqual, fill, plant, recordOf } from "./cluster_contents.ts";
import { untilMs, type Workspace } from "./workspace.ts";

const DIFFERING_KEYS = 10;
/** Rounds of each node that are averaged over. */
const ROUNDS = 3;

/** Counts over all nodes. */
interface Counts {
  rounds: number;
  failed: number;
  bytes: number;
  pulled: number;
  pushed: number;
  compared: number;
}

/** Two rows: equal, and with some keys newer on one node. */
export async function roundsTable({ options, directory }: Workspace): Promise<Table> {
  say("\nRounds of anti-entropy");
  const { keys } = options;
  await using cluster = await ConvergeTarget.start(directory, {
    prepare: (directories) => fill(directories, keys),
  });
  // The first rounds find the trees unmade: what they cost is what a start costs.
  const first = await nextRounds(cluster, 1);
  const firstMs = await cluster.metric("converge_anti_entropy_tree_seconds") / 3 * 1000;
  const equal = await nextRounds(cluster, ROUNDS);
  const equalMs = await roundMs(cluster);

  const records = Array.from(
    { length: DIFFERING_KEYS },
    (_, i) => recordOf(Math.floor(i * keys / DIFFERING_KEYS), keys + 1 + i),
  );
  const before = await counts(cluster);
  const startMs = performance.now();
  await plant(cluster.urls[0]!, records);
  await untilMs("the differing keys were sent to both others", async () => {
    const { pulled, pushed } = difference(await counts(cluster), before);
    return pulled + pushed >= 2 * DIFFERING_KEYS;
  });
  await untilMs("the owners are equal", () => areEqual(cluster.urls));
  const tookMs = performance.now() - startMs;
  const mended = difference(await counts(cluster), before);
  // Of the node with the newer keys: the others may not have looked at theirs again.
  const tree = await cluster.metric("converge_anti_entropy_tree_seconds", [cluster.urls[0]!]);
  const treeMs = tree * 1000;
  const perRound = (bytes: number, rounds: number) => figure(bytes / rounds / 1024);
  const row = (name: string, c: Counts, ms: string) => [
    name,
    `${c.rounds}`,
    perRound(c.bytes, c.rounds),
    ms,
    `${c.compared}`,
    `${c.pulled + c.pushed}`,
  ];
  const table = {
    title: `Anti-entropy, three nodes, ${keys.toLocaleString("en-US")} keys on each`,
    header: ["", "rounds", "KiB per round", "time", "versions compared", "records sent"],
    rows: [
      row("equal, after a start", first, `tree made in ${figure(firstMs)} ms`),
      row("equal", equal, `${figure(equalMs)} ms per round`),
      row(
        `${DIFFERING_KEYS} keys newer on one node`,
        mended,
        `${figure(tookMs / 1000)} s until equal, tree brought up to date in ${figure(treeMs)} ms`,
      ),
    ],
  };
  for (const cells of table.rows) say(`  ${cells.join(" | ")}`);
  return table;
}

/** Waits until every node has finished some more rounds. */
async function nextRounds(cluster: ConvergeTarget, more: number): Promise<Counts> {
  const before = await counts(cluster);
  const perNode = await Promise.all(cluster.urls.map((url) => equalRounds(cluster, url)));
  await untilMs("rounds are over", async () => {
    for (const [node, url] of cluster.urls.entries()) {
      if (await equalRounds(cluster, url) < perNode[node]! + more) return false;
    }
    return true;
  });
  await pause(500);
  return difference(await counts(cluster), before);
}

async function equalRounds(cluster: ConvergeTarget, url: string): Promise<number> {
  return await cluster.metric('converge_anti_entropy_rounds_total{outcome="equal"}', [url]);
}

/** The last round, as mean over the nodes. */
async function roundMs(cluster: ConvergeTarget): Promise<number> {
  const seconds = await cluster.metric("converge_anti_entropy_round_seconds");
  return seconds / cluster.urls.length * 1000;
}

async function counts(cluster: ConvergeTarget): Promise<Counts> {
  const records = (event: string) =>
    cluster.metric(`converge_anti_entropy_records_total{event="${event}"}`);
  const rounds = (outcome: string) =>
    cluster.metric(`converge_anti_entropy_rounds_total{outcome="${outcome}"}`);
  const failed = await rounds("failed");
  return {
    rounds: await rounds("done") + await rounds("equal") + failed,
    failed,
    // What one node sends another receives: the asker counts both.
    bytes: await cluster.metric("converge_peer_bytes_total"),
    pulled: await records("pulled"),
    pushed: await records("pushed"),
    compared: await records("compared"),
  };
}

function difference(after: Counts, before: Counts): Counts {
  return {
    rounds: after.rounds - before.rounds,
    failed: after.failed - before.failed,
    bytes: after.bytes - before.bytes,
    pulled: after.pulled - before.pulled,
    pushed: after.pushed - before.pushed,
    compared: after.compared - before.compared,
  };
}

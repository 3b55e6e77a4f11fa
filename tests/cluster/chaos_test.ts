/**
 * Five real nodes, N = 3, under random faults while 32 clients write, overwrite, delete and read
 * through random nodes.
 *
 * Strategy: one fault at a time (SIGKILL, SIGSTOP, a wiped data directory, a node that nobody can
 * reach), each undone before the next; a disk is only taken when all others are whole, since no more
 * than W - 1 may be lost at once. `CONVERGE_CHAOS_SECONDS` sets how long (default 20),
 * `CONVERGE_CHAOS_SEED` the choice of faults.
 * Invariants: no read gives what is older than something acked or read before it began; no deleted
 * key is back; nothing is read that was never written; in the end all owners of every key hold the
 * same line.
 */
import { assertEquals } from "@std/assert";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { type Random, randomInteger } from "../../src/platform/random.ts";
import { BlockableProxy } from "./blockable_proxy.ts";
import { TestCluster, type TestNode } from "./harness.ts";
import { KeyHistory } from "./key_history.ts";

const CLIENTS = 32;
const KEYS = 150;
const SECONDS = Number(Deno.env.get("CONVERGE_CHAOS_SECONDS") ?? 20);
const SEED = Number(Deno.env.get("CONVERGE_CHAOS_SEED") ?? 1);
const OPTIONS = ["--tombstone-interval", "2s", "--request-timeout", "2s"];

/** Nodes that are reached by their peers through proxies only. */
async function startProxied(stack: AsyncDisposableStack): Promise<[TestCluster, BlockableProxy[]]> {
  const proxies: BlockableProxy[] = [];
  const cluster = await TestCluster.create(5, {
    args: OPTIONS,
    addressesOf: (ports) => {
      for (const port of ports) proxies.push(stack.use(new BlockableProxy(port)));
      return proxies.map(({ port }) => port);
    },
  });
  stack.use(cluster);
  await Promise.all(cluster.nodes.map((node) => node.start()));
  await cluster.ready();
  return [cluster, proxies];
}

async function client(
  random: Random,
  nodes: readonly TestNode[],
  history: KeyHistory,
  number: number,
  running: () => boolean,
): Promise<void> {
  for (let i = 0; running(); i++) {
    const node = nodes[randomInteger(random, nodes.length)]!;
    const key = `key-${randomInteger(random, KEYS)}`;
    const what = random.next();
    const floor = history.floorOf(key);
    const value = `${number}-${i}`;
    try {
      if (what < 0.5) await write(node, key, value, history);
      else if (what < 0.6) await remove(node, key, history);
      else await read(node, key, floor, history);
    } catch {
      history.uncertain++; // the node is down or was stopped in the middle
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function write(node: TestNode, key: string, body: string, history: KeyHistory) {
  history.writing(key, body);
  const { status, headers } = await node.fetch(`/kv/${key}`, { method: "PUT", body });
  if (status === 204) history.ackedWrite(key, headers.get("etag")!);
  else history.uncertain++;
}

async function remove(node: TestNode, key: string, history: KeyHistory) {
  history.deleting(key);
  const { status, headers } = await node.fetch(`/kv/${key}`, { method: "DELETE" });
  if (status === 204) history.ackedDelete(key, headers.get("etag")!);
  else history.uncertain++;
}

async function read(
  node: TestNode,
  key: string,
  floor: ReturnType<KeyHistory["floorOf"]>,
  history: KeyHistory,
) {
  const { status, headers, text } = await node.fetch(`/kv/${key}`);
  if (status === 200) {
    history.read(key, floor, { etag: headers.get("etag")!, value: text }, node.name);
  } else if (status === 404) {
    history.read(key, floor, undefined, node.name);
  }
}

/** One fault, from its beginning to its end. */
async function fault(random: Random, cluster: TestCluster, proxies: BlockableProxy[]) {
  const i = randomInteger(random, cluster.nodes.length);
  const node = cluster.nodes[i]!;
  const lengthMs = 300 + randomInteger(random, 2_500);
  const pass = () => new Promise((resolve) => setTimeout(resolve, lengthMs));
  switch (randomInteger(random, 4)) {
    case 0:
      await node.kill();
      await pass();
      return await node.start();
    case 1:
      node.process!.signal("SIGSTOP");
      await pass();
      return node.process!.signal("SIGCONT");
    case 2:
      proxies[i]!.block();
      await pass();
      return proxies[i]!.unblock();
    default:
      await cluster.ready();
      await node.kill();
      await Deno.remove(node.directory, { recursive: true });
      await node.start();
      return await cluster.ready();
  }
}

/** The line of a key on each of its owners. */
async function copies(cluster: TestCluster, key: string): Promise<string[]> {
  const { text } = await cluster.nodes[0]!.fetch(`/kv/${key}?explain=1`);
  const owners: string[] = JSON.parse(text).owners.map(({ name }: { name: string }) => name);
  return await Promise.all(owners.map(async (name) => {
    const node = cluster.nodes.find((node) => node.name === name)!;
    return JSON.stringify(await node.ownCopy(key) ?? null);
  }));
}

Deno.test("cluster: random faults under load break no promise, and all owners agree in the end", async () => {
  await using stack = new AsyncDisposableStack();
  const [cluster, proxies] = await startProxied(stack);
  const history = new KeyHistory();
  const random = new SeededRandom(SEED, "faults");
  const endMs = performance.now() + SECONDS * 1_000;
  const running = () => performance.now() < endMs;
  const clients = Array.from(
    { length: CLIENTS },
    (_, n) => client(new SeededRandom(SEED, `client ${n}`), cluster.nodes, history, n, running),
  );
  let faults = 0;
  for (; running(); faults++) await fault(random, cluster, proxies);
  await Promise.all(clients);
  await cluster.ready();

  for (const key of history.keys) {
    for (const node of cluster.nodes) await read(node, key, history.floorOf(key), history);
    await cluster.until(`the owners of ${key} agree`, async () => {
      return new Set(await copies(cluster, key)).size === 1;
    });
  }
  const { acked, uncertain, reads } = history;
  console.log(
    `seed ${SEED}: ${faults} faults, ${acked} acked, ${reads} reads, ${uncertain} uncertain`,
  );
  assertEquals(history.violations, []);
});

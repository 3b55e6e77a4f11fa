/** The last requests of a run: once all is at rest, every key is read and listed. */
import { pick } from "../platform/random.ts";
import type { Key } from "../record/key.ts";
import { type Clients, keysOf } from "./clients/clients.ts";
import type { SimulatedNode } from "./world/simulated_node.ts";
import type { World } from "./world/world.ts";

/** Longer than a circuit breaker stays open. */
const PATIENCE_MS = 8_000;
const RETRY_MS = 500;
const READS_PER_KEY = 2;
/** Keys that are listed at once. */
const PAGE_KEYS = 7;
/** As whom it asks. */
const CLIENT = "audit";

/** What an audit is made of. */
export interface AuditOptions {
  world: World;
  clients: Clients;
  /** Whom it may ask. */
  nodes: readonly SimulatedNode[];
  /** How many keys there are. */
  keys: number;
}

/** Lists all keys through each node, and reads each key through two. */
export async function audit(options: AuditOptions): Promise<void> {
  const { world, clients, nodes, keys } = options;
  const random = world.streams.stream("audit");
  for (const node of nodes) await listAll(clients, node);
  for (const key of keysOf(keys)) {
    for (let i = 0; i < READS_PER_KEY; i++) await read(options, pick(random, nodes), key);
  }
}

async function listAll(clients: Clients, node: SimulatedNode): Promise<void> {
  let after: Key | undefined;
  do {
    after = await clients.performList(CLIENT, node, { prefix: "", limit: PAGE_KEYS, after });
  } while (after !== undefined);
}

/** A node may take a while until it asks peers again that did not answer it just before. */
async function read(
  { world, clients }: AuditOptions,
  node: SimulatedNode,
  key: Key,
): Promise<void> {
  const { time } = world;
  const untilMs = time.nowMs + PATIENCE_MS;
  while (true) {
    const { outcome, reason } = await clients.perform(CLIENT, node, { kind: "get", key });
    if (outcome === "acked") return;
    if (time.nowMs >= untilMs) {
      return world.error(node.name, `could not read after healing: ${reason}`);
    }
    await time.wait(RETRY_MS);
  }
}

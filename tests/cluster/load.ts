/** A load of writes whose acknowledgements are remembered, to be held against what is read later. */
import { type TestCluster, type TestNode, until } from "./harness.ts";

const KEYS = 200;
const WRITERS = 16;
/** Keys that are looked at a time. */
const READERS = 16;

/**
 * Writers that each own some keys and write growing numbers under them, in turn.
 *
 * Invariant: whatever was acknowledged for a key is at most what a correct read of it gives; the
 * read may give more, since a write that was not acknowledged may have been stored all the same.
 */
export class Load {
  /** The highest number that was acknowledged, by key. */
  readonly acked = new Map<string, number>();
  acks = 0;
  failures: string[] = [];
  #number = 0;
  #running = true;
  readonly #writers: Promise<unknown>;

  /** @param nodes The nodes to write through, asked anew for each write. */
  constructor(nodes: () => TestNode[]) {
    this.#writers = Promise.all(
      Array.from({ length: WRITERS }, (_, writer) => this.#write(nodes, writer)),
    );
  }

  /** Lets writes under way finish and starts no new ones. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#writers;
  }

  async #write(nodes: () => TestNode[], writer: number): Promise<void> {
    for (let turn = 0; this.#running; turn++) {
      const key = `key-${writer}-${turn % (KEYS / WRITERS)}`;
      const number = ++this.#number;
      const choice = nodes();
      const node = choice[number % choice.length];
      if (node === undefined) throw new Error("no node to write through");
      try {
        await node.put(key, String(number));
        this.acked.set(key, number);
        this.acks += 1;
      } catch (error) {
        this.failures.push(String(error));
      }
    }
  }
}

/** The keys whose acknowledged write cannot be read through `node`. */
export async function lostThrough(node: TestNode, load: Load): Promise<string[]> {
  const lost: string[] = [];
  await someAtATime(load.acked, async ([key, number]) => {
    const read = Number(await answerOf(node, key) ?? -1);
    if (!(read >= number)) lost.push(`${key} through ${node.name}: acked ${number}, read ${read}`);
  });
  return lost;
}

/** What a read gives: where too few owners answer in time, that says nothing of what they have. */
function answerOf(node: TestNode, key: string): Promise<string | undefined> {
  return until(
    `${key} is answered through ${node.name}`,
    async () => ({ text: await node.get(key) }),
  )
    .then(({ text }) => text);
}

/** Waits until every node itself holds the same record of every key. */
export async function agreement(cluster: TestCluster, keys: Iterable<string>): Promise<void> {
  const [first, ...others] = cluster.nodes;
  await someAtATime(keys, async (key) => {
    await cluster.until(`all nodes hold the same record of ${key}`, async () => {
      const line = JSON.stringify(await first?.ownCopy(key));
      for (const node of others) if (JSON.stringify(await node.ownCopy(key)) !== line) return false;
      return true;
    });
  });
}

/** Where one look fails, no other is begun. */
async function someAtATime<T>(
  items: Iterable<T>,
  look: (item: T) => Promise<void>,
): Promise<void> {
  const rest = (function* () {
    yield* items;
  })();
  const reader = async () => {
    for (const item of rest) await look(item);
  };
  await Promise.all(Array.from({ length: READERS }, reader));
}

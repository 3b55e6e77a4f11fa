/** How the ring behaves with many nodes. */
import { HashRing } from "../../../src/ring/hash_ring.ts";
import { type Token, tokenOf } from "../../../src/ring/token.ts";

/** What was measured with one number of nodes. */
export interface RingFigures {
  nodes: number;
  tokens: number;
  buildMs: number;
  lookupNs: number;
  /** Shares of the token space as parts of the fair share: smallest, largest, standard deviation. */
  leastShare: number;
  mostShare: number;
  deviation: number;
  /** Shares of keys that have another first owner, and any other owner, after one node joined. */
  movedFirst: number;
  movedAny: number;
  /** What must move at least: the new node's fair share. */
  idealFirst: number;
}

const TOKENS_PER_NODE = 100;
const OWNERS = 3;
const SAMPLES = 100_000;

/** Measures one ring, and the ring with one node more. */
export function measureRing(nodes: number): RingFigures {
  const names = Array.from({ length: nodes }, (_, i) => `node-${i}`);
  const options = { tokensPerNode: TOKENS_PER_NODE, owners: OWNERS };
  const startMs = performance.now();
  const ring = new HashRing(names, options);
  const buildMs = performance.now() - startMs;
  const larger = new HashRing([...names, "joined"], options);
  const samples = Array.from({ length: SAMPLES }, (_, i) => tokenOf(`key-${i}`));
  const shares = [...ring.ownership().values()].map((share) => share * nodes);
  const variance = shares.reduce((sum, share) => sum + (share - 1) ** 2, 0) / nodes;
  const moved = countMoved(ring, larger, samples);
  return {
    nodes,
    tokens: nodes * TOKENS_PER_NODE,
    buildMs,
    lookupNs: lookupNs(ring, samples),
    leastShare: Math.min(...shares),
    mostShare: Math.max(...shares),
    deviation: Math.sqrt(variance),
    movedFirst: moved.first / SAMPLES,
    movedAny: moved.any / SAMPLES,
    idealFirst: 1 / (nodes + 1),
  };
}

function countMoved(before: HashRing, after: HashRing, samples: readonly Token[]) {
  let first = 0;
  let any = 0;
  for (const token of samples) {
    const old = before.arcOf(token)?.owners ?? [];
    const now = after.arcOf(token)?.owners ?? [];
    if (old[0] !== now[0]) first++;
    if (now.some((name) => !old.includes(name))) any++;
  }
  return { first, any };
}

function lookupNs(ring: HashRing, samples: readonly Token[]): number {
  let found = 0;
  const startMs = performance.now();
  for (const token of samples) found += ring.arcOf(token)?.owners.length ?? 0;
  const tookMs = performance.now() - startMs;
  // The sum keeps the look-ups from being optimized away.
  return found === 0 ? NaN : tookMs * 1e6 / samples.length;
}

/**
 * Consistent hashing with virtual nodes (Karger et al. 1997; Dynamo, SOSP 2007, section 4.2).
 *
 * A ring is immutable: a change of membership makes a new one. All tokens stand in one sorted array;
 * a key belongs to the first token at or after its own, wrapping around. The preference list of each
 * of the arcs between tokens is made once, so a look-up is one hash and one binary search.
 */
import { preferenceList } from "./preference_list.ts";
import { type Token, TOKEN_END, tokensOfNode } from "./token.ts";

/** The arc of tokens (after the previous token, up to and including `end`) and who owns it. */
export interface Arc {
  /** Position in the ring's token order: the arc's identity on this ring. */
  readonly index: number;
  /** Last token of the arc. */
  readonly end: Token;
  /** Names of its owners, the first one (of whom the token is) first. */
  readonly owners: readonly string[];
}

/** Maps tokens to owners. */
export class HashRing {
  /** Names on the ring, sorted. */
  readonly names: readonly string[];
  readonly arcs: readonly Arc[];
  /** Invariant: sorted ascending, same length and order as `arcs`. */
  readonly #tokens: BigUint64Array;
  /** The tokens' highest 53 bits as numbers: comparing those makes no `bigint` per step. */
  readonly #prefixes: Float64Array;

  /**
   * @param names Distinct node names, in any order: the ring depends on the set only.
   * @param options `tokensPerNode` virtual nodes of each; `owners` wanted per key.
   */
  constructor(names: Iterable<string>, options: { tokensPerNode: number; owners: number }) {
    this.names = [...new Set(names)].sort();
    const points = this.names.flatMap((name, node) =>
      tokensOfNode(name, options.tokensPerNode).map((token) => ({ token, node }))
    );
    points.sort((a, b) => a.token < b.token ? -1 : a.token > b.token ? 1 : a.node - b.node);
    const nodeAt = points.map(({ node }) => node);
    this.#tokens = BigUint64Array.from(points, ({ token }) => token);
    this.#prefixes = Float64Array.from(points, ({ token }) => prefixOf(token));
    this.arcs = points.map(({ token }, index) => ({
      index,
      end: token,
      owners: preferenceList(nodeAt, index, options.owners).map((node) => this.names[node]!),
    }));
  }

  /**
   * The arc in which a token lies: the one that ends at the first ring token >= `token`.
   * Undefined only on an empty ring.
   */
  arcOf(token: Token): Arc | undefined {
    const prefixes = this.#prefixes;
    const prefix = prefixOf(token);
    let low = 0;
    let high = prefixes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = prefixes[middle]!;
      if (there < prefix || (there === prefix && this.#tokens[middle]! < token)) low = middle + 1;
      else high = middle;
    }
    return this.arcs[low === prefixes.length ? 0 : low];
  }

  /** Whether a node is among the owners of a token. */
  owns(name: string, token: Token): boolean {
    return this.arcOf(token)?.owners.includes(name) ?? false;
  }

  /** Share of the token space, 0..1, of which each node is the first owner. */
  ownership(): Map<string, number> {
    // Of whole tokens: fractions add up to a little more than there is.
    const lengths = new Map(this.names.map((name) => [name, 0n]));
    this.arcs.forEach((arc, index) => {
      const previous = this.arcs.at(index - 1)!.end;
      const length = this.arcs.length === 1
        ? TOKEN_END
        : (arc.end - previous + TOKEN_END) % TOKEN_END;
      const first = arc.owners[0]!;
      lengths.set(first, lengths.get(first)! + length);
    });
    return new Map(
      [...lengths].map(([name, length]) => [name, Number(length) / Number(TOKEN_END)]),
    );
  }
}

function prefixOf(token: Token): number {
  return Number(token >> 11n);
}

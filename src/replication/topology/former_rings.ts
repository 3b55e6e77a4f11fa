/**
 * The rings by which records were stored before: before members joined that are still on their way, and
 * before others were being removed. What a node is filled with is what was stored by any of them.
 *
 * The last rings asked for are kept: each page of a refill asks for them, and to make one takes
 * milliseconds, tens where there are a hundred nodes.
 */
import type { HashRing } from "../../ring/hash_ring.ts";
import type { Token } from "../../ring/token.ts";

/** What the rings of before follow from. */
export interface FormerRingsOptions {
  /** The ring of now. */
  readonly ring: HashRing;
  /** The same with members that are being removed; undefined where there are none. */
  readonly ringWithLeaving: HashRing | undefined;
  /** Names of these. */
  readonly leavingNames: ReadonlySet<string>;
  /** Names that were `normal` once, as far as this node knows. */
  readonly settled: readonly string[];
  /** Makes a ring on which a key has N owners, or as many as there are. */
  ringOf(names: readonly string[]): HashRing;
}

/** What was before one topology. */
export class FormerRings {
  readonly #options: FormerRingsOptions;
  #before: HashRing | undefined;
  #remaining: HashRing | undefined;
  #toFill: { name: string; rings: readonly HashRing[] } | undefined;

  constructor(options: FormerRingsOptions) {
    this.#options = options;
  }

  /**
   * The ring of those that have the data of before: without members that are still joining, and with
   * those that are being removed.
   *
   * @param settled Names that somebody else knows to have been `normal` once.
   */
  before(settled: readonly string[]): HashRing {
    const { ring, ringWithLeaving, leavingNames } = this.#options;
    const all = ringWithLeaving ?? ring;
    const known = new Set([...this.#options.settled, ...settled]);
    const names = all.names.filter((name) => known.has(name) || leavingNames.has(name));
    if (names.length === all.names.length) return all;
    return this.#before = this.#ringOf(names, this.#before);
  }

  /**
   * The ring of `before`, and while members are being removed the same without them: who owns an arc by
   * the second one alone counts for writes there.
   *
   * @param settled As for `before`.
   */
  allBefore(settled: readonly string[]): readonly HashRing[] {
    const { ringWithLeaving, leavingNames } = this.#options;
    const before = this.before(settled);
    if (ringWithLeaving === undefined) return [before];
    const names = before.names.filter((name) => !leavingNames.has(name));
    this.#remaining = this.#ringOf(names, this.#remaining);
    return [before, this.#remaining];
  }

  /**
   * The rings by which `name` is filled: those of before, and the same with itself. By the latter it may
   * own keys that it does not own once all who join are there. It takes these as well: once it counts,
   * the next node goes by such a ring, and takes them from it, not from the owner in whose place it came.
   *
   * @param settled As for `before`.
   */
  toFill(name: string, settled: readonly string[]): readonly HashRing[] {
    const before = this.allBefore(settled);
    const last = this.#toFill;
    if (last?.name === name && before.every((ring, i) => ring === last.rings[i])) return last.rings;
    const without = before.filter(({ names }) => !names.includes(name));
    const rings = [...before, ...without.map(({ names }) => this.#ringOf([...names, name]))];
    this.#toFill = { name, rings };
    return rings;
  }

  /**
   * Tells of a token whether `name` owns it only since some members (`leaving`) were removed. It must
   * have been an owner in none of the rings that anybody went by before: neither in the one with members
   * that were still joining, nor in the one without them.
   */
  isNewTo(name: string, leaving: readonly string[]): (token: Token) => boolean {
    const { ring, settled } = this.#options;
    const withLeaving = [...ring.names, ...leaving];
    // Whoever owns a token by more members owns it by fewer of them, too, as long as it is one.
    const rings = [withLeaving, withLeaving.filter((one) => settled.includes(one))]
      .map((names) => this.#ringOf(names));
    return (token) => ring.owns(name, token) && !rings.some((one) => one.owns(name, token));
  }

  /** @param last The ring to return where it has these names, in their order, already. */
  #ringOf(names: readonly string[], last?: HashRing): HashRing {
    return last?.names.join(" ") === names.join(" ") ? last : this.#options.ringOf(names);
  }
}

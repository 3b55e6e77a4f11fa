/**
 * Who is behind the origins that `--peers` names. An origin may be another name for a member's own, so it
 * is found out by asking: whoever answers there is the member behind it.
 */
import type { Member } from "./member.ts";

/** One node's seeds, and, while a cluster is being formed, those of the other new nodes. */
export class Seeds {
  readonly #self: Pick<Member, "name" | "origin">;
  readonly #own: readonly string[];
  readonly #resolved: Map<string, string>;
  /**
   * By name, the seeds that another new node still waits for. A cluster is formed by all that any of its
   * nodes was told of. Otherwise a node that lost its disk while the rest was away would form a second
   * cluster with a node that was told of it alone.
   */
  readonly #ofOthers = new Map<string, readonly string[]>();
  /** Names of new nodes that have this one among their seeds. */
  readonly #namedBy = new Set<string>();

  /**
   * @param own Origins from the command line.
   * @param resolved Which of them are known, from before a restart, to be which member.
   */
  constructor(
    self: Pick<Member, "name" | "origin">,
    own: Iterable<string>,
    resolved: Iterable<readonly [origin: string, name: string]>,
  ) {
    this.#self = self;
    this.#own = [...new Set(own)].filter((seed) => seed !== self.origin);
    this.#resolved = new Map(resolved);
  }

  /** Which seed turned out to be which member. */
  get resolved(): ReadonlyMap<string, string> {
    return this.#resolved;
  }

  /** Names of new nodes that have this one among their seeds. */
  get namedBy(): ReadonlySet<string> {
    return this.#namedBy;
  }

  /** Names of the members that were heard under this node's seeds. */
  named(members: readonly Member[]): Set<string> {
    const own = new Set(this.#own);
    const ofOrigin = members.filter(({ origin }) => own.has(origin));
    const resolved = this.#own.flatMap((seed) => this.#resolved.get(seed) ?? []);
    return new Set([...ofOrigin.map(({ name }) => name), ...resolved]);
  }

  /**
   * This node's seeds under which nobody was heard yet.
   *
   * @param known Origins of members, and of those that were removed.
   */
  unresolvedOwn(known: ReadonlySet<string>): string[] {
    return this.#unresolved(this.#own, known);
  }

  /** The same of this node and all other new ones, each seed once. */
  unresolvedOfAll(known: ReadonlySet<string>): string[] {
    const all = new Set([...this.#own, ...[...this.#ofOthers.values()].flat()]);
    return this.#unresolved([...all], known);
  }

  /**
   * This node's seeds where no member is now, as far as it knows, and that are waited for no more: other
   * names of members, addresses that they have left, and those of members that were removed.
   *
   * @param members Origins of members. @param known The same, and of those that were removed.
   */
  withoutMember(members: ReadonlySet<string>, known: ReadonlySet<string>): string[] {
    return this.#own.filter((seed) =>
      !members.has(seed) && (this.#resolved.has(seed) || known.has(seed))
    );
  }

  /** A member answered at an origin. @returns Whether the origin is a seed of which this was not known. */
  resolve(origin: string, name: string): boolean {
    if (!this.#isSeed(origin)) return false;
    const isNews = this.#resolved.get(origin) !== name;
    this.#resolved.set(origin, name);
    return isNews;
  }

  /** What another new node says of its seeds. */
  hear(from: string, seeds: readonly string[], named: readonly string[]): void {
    if (named.includes(this.#self.name)) this.#namedBy.add(from);
    this.#ofOthers.set(from, seeds.filter((seed) => seed !== this.#self.origin));
  }

  /** Whether another new node has said for which seeds it waits. */
  hasHeard(name: string): boolean {
    return this.#ofOthers.has(name);
  }

  /** The member is removed: what it said does not matter any more. */
  forget(name: string): void {
    this.#ofOthers.delete(name);
    this.#namedBy.delete(name);
  }

  #unresolved(seeds: readonly string[], known: ReadonlySet<string>): string[] {
    return seeds.filter((seed) => !this.#resolved.has(seed) && !known.has(seed));
  }

  #isSeed(origin: string): boolean {
    return this.#own.includes(origin) ||
      [...this.#ofOthers.values()].some((seeds) => seeds.includes(origin));
  }
}

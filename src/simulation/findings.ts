/** What is seen of a run, for those who judge it: measured while it goes on, or looked for at its end. */
import { HashRing } from "../ring/hash_ring.ts";
import { tokenOf } from "../ring/token.ts";
import { excessOf } from "./bounds.ts";
import type { Copy, Evidence, Leftover, Measurement, MembershipView } from "./evidence/evidence.ts";
import { copiesOf } from "./evidence/observed_store.ts";
import { withLosses } from "./evidence/page_cache.ts";
import type { Observer } from "./observer.ts";
import type { Plan } from "./plans/plan.ts";
import { leastWriteQuorum, longestTimeoutMs, readsAlwaysMeet } from "./plans/plan_bounds.ts";
import type { Cluster } from "./world/cluster.ts";
import type { World } from "./world/world.ts";

/** An answer may come this much after the node's own deadline: two trips and a busy event loop. */
const DEADLINE_SLACK_MS = 250;
const MEASURE_MS = 1_000;
/** Requests in flight at most, per node. */
const IN_FLIGHT_MAX = 1_000;

/** What findings are made of. */
export interface FindingsOptions {
  world: World;
  cluster: Cluster;
  observer: Observer;
  plan: Plan;
}

/** The findings of one run. */
export class Findings {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #observer: Observer;
  readonly #plan: Plan;
  readonly #measurements: Measurement[] = [];
  readonly #views: MembershipView[] = [];
  readonly #copies = new Map<string, Map<string, Copy>>();
  #leftovers: readonly Leftover[] = [];

  constructor({ world, cluster, observer, plan }: FindingsOptions) {
    this.#world = world;
    this.#cluster = cluster;
    this.#observer = observer;
    this.#plan = plan;
  }

  /** What the checkers get. */
  evidence(): Evidence {
    const cluster = this.#cluster;
    return {
      operations: withLosses(this.#world.history.operations, cluster.powerFailures),
      readsMeet: readsAlwaysMeet(this.#plan),
      copies: this.#copies,
      owners: this.#ownersNow(),
      sightings: cluster.sightings,
      attempts: cluster.attempts,
      storings: cluster.storings,
      leastW: leastWriteQuorum(this.#plan),
      brokenPromises: cluster.brokenPromises,
      disturbances: cluster.disturbances,
      deadlineMs: longestTimeoutMs(this.#plan) + DEADLINE_SLACK_MS,
      wall: (node, fromMs, toMs) =>
        cluster.wallClocks.bounds(node, fromMs, Math.min(toMs, this.#world.time.nowMs)),
      measurements: this.#measurements,
      views: this.#views,
      leftovers: this.#leftovers,
      errors: this.#world.errors,
    };
  }

  /** By the ring of those that stay. */
  #ownersNow(): Evidence["owners"] {
    // All nodes have the same options, and perhaps others than at first.
    const { virtualNodes, replication } = this.#cluster.nodes[0]!.config;
    const ring = new HashRing(this.#cluster.staying.map(({ name }) => name), {
      tokensPerNode: virtualNodes,
      owners: replication,
    });
    return (key) => ring.arcOf(tokenOf(key))?.owners ?? [];
  }

  /** Measures what must be bounded, from now on once a second. */
  measure(): void {
    const { time, network } = this.#world;
    const { nodes } = this.#cluster;
    const { valueBytesMax } = this.#plan;
    for (const node of nodes) {
      this.#measurements.push(...excessOf(node, { atMs: time.nowMs, valueBytesMax }));
    }
    this.#measurements.push({
      node: "cluster",
      what: "requests in flight",
      value: network.inFlight,
      bound: IN_FLIGHT_MAX * nodes.length,
      atMs: time.nowMs,
    });
    time.schedule(MEASURE_MS, () => this.measure());
  }

  /** Takes stock of all stores; false when one cannot be read. */
  collectCopies(): boolean {
    this.#copies.clear();
    for (const node of this.#cluster.staying) {
      if (node.store === undefined) return false;
      try {
        for (const [key, copy] of copiesOf(node.store)) {
          const copies = this.#copies.get(key) ?? new Map<string, Copy>();
          this.#copies.set(key, copies.set(node.name, copy));
        }
      } catch {
        return false;
      }
    }
    return true;
  }

  /** Takes stock again, and looks for what nodes are to forget. Resolves to whether there is any. */
  async collectLeftovers(): Promise<boolean> {
    this.collectCopies();
    const views = await Promise.all(
      this.#cluster.staying.map((node) => this.#observer.viewOf(node)),
    );
    const hints = views.flatMap((view) =>
      Object.keys(view?.hints.waiting ?? {})
        .map((to) => ({ node: view!.self, what: `hints for ${to}`, keys: [] }))
    );
    // One that nobody will ever hear, since its address was never its own, confirms nothing.
    const isConfirmed = views.every((view) => view?.unresolvedSeeds.length === 0);
    this.#leftovers = isConfirmed ? [...this.#tombstones(), ...hints] : hints;
    return this.#leftovers.length > 0;
  }

  /** Those that owners still have. */
  #tombstones(): Leftover[] {
    const ownersOf = this.#ownersNow();
    return [...this.#copies].flatMap(([key, copies]) =>
      ownersOf(key).filter((node) => copies.get(node)?.tombstone === true)
        .map((node) => ({ node, what: "a tombstone", keys: [key] }))
    );
  }

  /** Asks all nodes who is a member. */
  async collectViews(): Promise<void> {
    this.#views.length = 0;
    for (const node of this.#cluster.staying) {
      const view = await this.#observer.viewOf(node);
      if (view === undefined) {
        this.#world.error(node.name, "does not answer /cluster");
        continue;
      }
      const members = view.members.map(({ name, origin, status }) => `${name} ${origin} ${status}`);
      this.#views.push({ node: node.name, members });
    }
  }
}

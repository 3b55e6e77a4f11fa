/** Mistakes in what a store keeps and shows: made by a faulty store around the real one. */
import type { Key } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { DATA, type Mutation, type Store } from "../../storage/store.ts";
import type { Horizon } from "../../replication/state/horizon.ts";
import { Replica } from "../../replication/replica.ts";
import type { Defect } from "./defect.ts";
import { withPageCache, withReplays } from "./focused_plans.ts";

/** A store that differs from `inner` in some methods. */
function changed(inner: Store, changes: Partial<Store>): Store {
  return {
    apply: (mutations) => inner.apply(mutations),
    sync: () => inner.sync(),
    get: (keyspace, key) => inner.get(keyspace, key),
    locate: (keyspace, key) => inner.locate(keyspace, key),
    scan: (keyspace, options) => inner.scan(keyspace, options),
    snapshot: () => inner.snapshot(),
    flush: () => inner.flush(),
    checkpoint: (directory) => inner.checkpoint(directory),
    highestCounter: () => inner.highestCounter(),
    lastLoss: () => inner.lastLoss(),
    statistics: () => inner.statistics(),
    close: () => inner.close(),
    ...changes,
  };
}

/** Knows of no tombstone that was collected, but keeps the books of the real one. */
function blindHorizon(horizon: Horizon): Horizon {
  const blind = {
    counter: 0,
    raise: (counter: number) => horizon.raise(counter),
    raiseTo: (counter: number) => horizon.raiseTo(counter),
  };
  return blind as unknown as Horizon;
}

/** The mutations of a batch that bring records of clients. */
function dataOf(mutations: readonly Mutation[]): Mutation[] {
  return mutations.filter(({ keyspace, erase }) => keyspace === DATA && erase !== true);
}

/** Defects of order, visibility and deletion. */
export const STORE_DEFECTS: readonly Defect[] = [
  {
    name: "superseded-is-ack",
    about: "a stale rejection is counted as an acknowledgement",
    seedsMax: 50,
    store: (inner) =>
      changed(inner, {
        apply: async (mutations) => (await inner.apply(mutations)).map(() => "stored"),
      }),
  },
  {
    name: "documents-unsynced",
    about: "reserved counters and tombstones that are confirmed are in the page cache only",
    seedsMax: 50,
    plan: withPageCache,
    store: (inner) => changed(inner, { sync: () => Promise.resolve() }),
  },
  {
    name: "arrival-order",
    about: "an old repair overwrites a new record: the last to arrive wins",
    seedsMax: 50,
    plan: withReplays,
    store: (inner) => {
      const latest = new Map<Key, StoredRecord>();
      return changed(inner, {
        apply: async (mutations) => {
          const results = await inner.apply(mutations);
          for (const { record } of dataOf(mutations)) latest.set(record.key, record);
          return results;
        },
        get: (keyspace, key) =>
          (keyspace === DATA ? latest.get(key) : undefined) ?? inner.get(keyspace, key),
      });
    },
  },
  {
    name: "stale-cache",
    about: "a stale record shadows a newer one: the cache is not told of writes",
    seedsMax: 50,
    store: (inner) => {
      const cache = new Map<Key, StoredRecord>();
      return changed(inner, {
        get: (keyspace, key) => {
          if (keyspace !== DATA) return inner.get(keyspace, key);
          const cached = cache.get(key) ?? inner.get(keyspace, key);
          if (cached !== undefined) cache.set(key, cached);
          return cached;
        },
      });
    },
  },
  {
    name: "tombstones-collected-at-once",
    about: "a deleted key comes back: tombstones go before every owner has confirmed them",
    seedsMax: 50,
    store: (inner) =>
      changed(inner, {
        apply: async (mutations) => {
          const results = await inner.apply(mutations);
          const tombstones = dataOf(mutations).filter(({ record }) => record.tombstone);
          if (tombstones.length > 0) {
            await inner.apply(tombstones.map((mutation) => ({ ...mutation, erase: true })));
          }
          return results;
        },
      }),
  },
  {
    name: "horizon-ignored",
    about:
      "a deleted key comes back: a late message is taken for a key whose tombstone was collected",
    seedsMax: 50,
    plan: withReplays,
    parts: {
      createReplica: (options) =>
        new Replica({ ...options, horizon: blindHorizon(options.horizon) }),
    },
  },
];

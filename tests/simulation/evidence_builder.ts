/** Small histories, written down by hand. */
import { formatVersion, type Version } from "../../src/record/version.ts";
import type { Attempt, Copy, Evidence } from "../../src/simulation/evidence/evidence.ts";
import type { Operation } from "../../src/simulation/evidence/history.ts";

/** Version with this counter. */
export const version = (counter: number, nodeID = "n.1"): Version => ({ counter, nodeID });

/** A copy of a value (or tombstone) with this counter. */
export const copy = (counter: number, tombstone = false, digest = counter): Copy => ({
  ...version(counter),
  tombstone,
  digest,
});

let lastId = 0;

/** An operation on key `k` that lasts from `begin` to `end`, acked at full quorum unless told. */
export function operation(
  kind: Operation["kind"],
  span: readonly [begin: number, end: number],
  more: Partial<Operation> = {},
): Operation {
  const [begin, end] = span;
  return {
    id: lastId++,
    client: "c1",
    kind,
    key: "k",
    node: "n1",
    full: true,
    begin,
    end,
    beginMs: begin,
    endMs: end,
    outcome: "acked",
    status: kind === "get" ? 200 : 204,
    ...more,
  };
}

/** An acked put of `value` under version `counter`. */
export const put = (
  value: string,
  counter: number,
  span: readonly [number, number],
  more: Partial<Operation> = {},
): Operation => operation("put", span, { value, version: version(counter), ...more });

/** An acked deletion under version `counter`. */
export const remove = (
  counter: number,
  span: readonly [number, number],
  more: Partial<Operation> = {},
): Operation => operation("delete", span, { version: version(counter), ...more });

/** An answered read. */
export const get = (
  found: string | null,
  counter: number,
  span: readonly [number, number],
  more: Partial<Operation> = {},
): Operation =>
  operation(
    "get",
    span,
    found === null ? { found, ...more } : {
      found,
      version: version(counter),
      ...more,
    },
  );

/** Evidence in which nothing is wrong but what `more` says. Owners are n1, n2 and n3. */
export function evidence(more: Partial<Evidence> = {}): Evidence {
  return {
    operations: [],
    readsMeet: true,
    copies: new Map(),
    owners: () => ["n1", "n2", "n3"],
    sightings: [],
    attempts: new Map(),
    storings: new Map(),
    leastW: 0,
    brokenPromises: [],
    disturbances: [],
    deadlineMs: 100,
    wall: (_node, fromMs, toMs) => ({ lowMs: fromMs, highMs: toMs }),
    measurements: [],
    views: [],
    leftovers: [],
    errors: [],
    ...more,
  };
}

/** The copies of key `k`, in the order n1, n2, n3. */
export function copies(...held: (Copy | undefined)[]): Evidence["copies"] {
  const byNode = new Map<string, Copy>();
  held.forEach((one, i) => one !== undefined && byNode.set(`n${i + 1}`, one));
  return new Map([["k", byNode]]);
}

/** That a store was first offered version `counter` of key `k` at `begin`. */
export const attempt = (counter: number, begin: number, tombstone = false): Attempt => ({
  ...version(counter),
  tombstone,
  begin,
});

/** All that stores were offered of key `k`. */
export function attempts(...ofKey: Attempt[]): Evidence["attempts"] {
  return new Map([["k", new Map(ofKey.map((one) => [formatVersion(one), one]))]]);
}

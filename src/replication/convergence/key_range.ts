/**
 * Sorted pages of what this node holds, for a peer that compares or refills. A page looks at a
 * bounded number of keys, in slices, so that serving it never stalls the node.
 */
import { ConvergeError } from "../../errors.ts";
import { type Clock, delay } from "../../platform/clock.ts";
import { type Key, keyFromJson, keyToJson } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { sizeOf } from "../../record/record_line.ts";
import type { HashRing } from "../../ring/hash_ring.ts";
import { type Token, tokenOf } from "../../ring/token.ts";
import { DATA, type Store } from "../../storage/store.ts";
import { leafOf, LeafSet } from "./merkle_tree.ts";
import type { Topology } from "../topology/topology.ts";

/** Records of one page, and keys that it looks at: those of a few leaves lie far apart. */
const PAGE_RECORDS = 1_000;
const PAGE_LOOKS = 20_000;
/** Keys that are looked at before others have their turn. */
const SLICE_KEYS = 250;
/** How much longer their turn is while clients wait. */
const BUSY_MS = 3;
/** Bytes of records after which a page ends. */
const PAGE_BYTES = 512 * 1024;

/** Which keys are wanted. */
export interface RangeRequest {
  /** The page begins after this key; undefined: at the first. */
  readonly after: Key | undefined;
  /** Both of these must own a key. */
  readonly owners: readonly [string, string];
  /**
   * Given while the first owner is being refilled: names that it knows to have been `normal` once. Then
   * each of both may own a key by a ring of before instead, see `FormerRings.toFill`. No copy of a former
   * owner is a leftover: until those that join are `normal`, no tombstone of what they own is collected.
   */
  readonly settled?: readonly string[] | undefined;
  /** Leaves of the ring with this fingerprint; undefined: all. */
  readonly leaves: LeafSet | undefined;
  /** Tokens of keys that are not shown: what is there may be leftovers. */
  readonly isHidden?: ((token: Token) => boolean) | undefined;
  /** The last key to look at, unless the page is full before; undefined: as far as a page goes. */
  readonly through?: Key | undefined;
}

/** A page: all wanted records of keys after `after`, up to and including `through`. */
export interface RangePage {
  readonly records: readonly StoredRecord[];
  /** Undefined: to the end of all keys. */
  readonly through: Key | undefined;
}

/** Where pages are read. */
export interface RangeSource {
  readonly store: Store;
  readonly clock: Clock;
  /** Whether clients' requests are under way here: they come first. */
  isBusy(): boolean;
}

/** Reads one page from the store as it is now. @throws {ConvergeError} as `Store.scan`. */
export async function readRange(
  { store, clock, isBusy }: RangeSource,
  topology: Topology,
  request: RangeRequest,
): Promise<RangePage> {
  const { after, owners, leaves, through, settled, isHidden } = request;
  const before = settled === undefined ? [] : topology.former.toFill(owners[0], settled);
  const end = through === undefined ? undefined : successor(through);
  const scan = store.scan(DATA, {
    ...(after === undefined ? {} : { start: successor(after) }),
    ...(end === undefined ? {} : { end }),
    isWanted: (key) => isWanted({ topology, before, owners, leaves, isHidden }, key),
  });
  const records: StoredRecord[] = [];
  let bytes = 0;
  try {
    // With an end given by the other side, the page goes that far however many keys are not wanted.
    let left = through === undefined ? PAGE_LOOKS : Infinity;
    while (true) {
      for (const record of scan.next(SLICE_KEYS, Math.min(left, SLICE_KEYS))) {
        records.push(record);
        bytes += sizeOf(record);
        const full = records.length >= PAGE_RECORDS || bytes >= PAGE_BYTES;
        if (full) return { records, through: record.key };
      }
      if (scan.isDone) return { records, through };
      left -= SLICE_KEYS;
      if (left <= 0) return { records, through: scan.lastKey };
      await delay(clock, isBusy() ? BUSY_MS : 0);
    }
  } finally {
    scan.close();
  }
}

/** A request as JSON text, for `POST /internal/range`. */
export function encodeRangeRequest(
  request: RangeRequest & { ring: string; values: boolean },
): string {
  const { after, owners, leaves, settled, ring, values } = request;
  return JSON.stringify({
    ...(after === undefined ? {} : { after: keyToJson(after) }),
    owners,
    ...(leaves === undefined ? {} : { leaves: leaves.toText() }),
    ...(settled === undefined ? {} : { settled }),
    ring,
    values,
  });
}

/** @throws {ConvergeError} `corrupt_message`. */
export function decodeRangeRequest(
  text: string,
): RangeRequest & { ring: string; values: boolean } {
  try {
    const json = JSON.parse(text);
    const after = json.after === undefined ? undefined : keyFromJson(json.after);
    const [a, b] = json.owners;
    const { ring, values, settled } = json;
    if (
      typeof a === "string" && typeof b === "string" && typeof ring === "string" &&
      typeof values === "boolean" && (json.after === undefined || after !== undefined) &&
      (settled === undefined ||
        (Array.isArray(settled) && settled.every((name) => typeof name === "string")))
    ) {
      const leaves = json.leaves === undefined ? undefined : LeafSet.fromText(json.leaves);
      return { after, owners: [a, b], leaves, settled, ring, values };
    }
  } catch (cause) {
    throw new ConvergeError("corrupt_message", "Cannot read a range request", { cause });
  }
  throw new ConvergeError("corrupt_message", "Cannot read a range request: a member is wrong");
}

/** The first key after `key`. */
function successor(key: Key): Key {
  return key + "\0";
}

/** A `RangeRequest` as the node that is asked sees it. */
interface Wanted {
  topology: Topology;
  /** As `FormerRings.toFill`; none where `settled` is not given. */
  before: readonly HashRing[];
  owners: readonly [string, string];
  leaves: LeafSet | undefined;
  isHidden: ((token: Token) => boolean) | undefined;
}

/** Whether a key is among those that are wanted. */
export function isWanted(
  { topology, before, owners, leaves, isHidden }: Wanted,
  key: Key,
): boolean {
  const token = tokenOf(key);
  if (isHidden?.(token) === true) return false;
  const arc = topology.ring.arcOf(token);
  if (arc === undefined) return false;
  const owns = (name: string) =>
    arc.owners.includes(name) || before.some((ring) => ring.owns(name, token));
  return owns(owners[0]) && owns(owners[1]) &&
    (leaves === undefined || leaves.has(leafOf(arc.index, token)));
}

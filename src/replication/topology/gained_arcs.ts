/**
 * Which members gain arcs of a ring because others are being removed. There they have nothing yet, or
 * leftovers from earlier. Pure.
 *
 * An arc of the ring of now consists of parts that had different owners, where tokens of removed members
 * lie within it.
 */
import { HashRing } from "../../ring/hash_ring.ts";

/** By index of an arc of `now`, the owners that are new in some part of it. */
export function newOwnersByArc(now: HashRing, before: HashRing): ReadonlySet<string>[] {
  const gained = now.arcs.map(() => new Set<string>());
  for (const { end, owners } of before.arcs) {
    const arc = now.arcOf(end);
    if (arc === undefined) continue;
    for (const name of arc.owners) if (!owners.includes(name)) gained[arc.index]!.add(name);
  }
  return gained;
}

/** By index of an arc of `now`, whether some part of it had `name` among its owners. */
export function arcsOnceOwnedBy(name: string, now: HashRing, before: HashRing): boolean[] {
  const owned = now.arcs.map(() => false);
  for (const { end, owners } of before.arcs) {
    const arc = now.arcOf(end);
    if (arc !== undefined && owners.includes(name)) owned[arc.index] = true;
  }
  return owned;
}

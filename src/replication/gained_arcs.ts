/**
 * Which members own arcs of a ring now that they did not own while those were members that are being
 * removed: there they have nothing yet, or leftovers. Pure.
 */
import { HashRing } from "../ring/hash_ring.ts";

/**
 * By index of an arc, the owners that are new in some part of it: an arc of now is made of parts that
 * had different owners, where tokens of those that are being removed lie in it.
 */
export function newOwnersByArc(now: HashRing, before: HashRing): ReadonlySet<string>[] {
  const gained = now.arcs.map(() => new Set<string>());
  for (const { end, owners } of before.arcs) {
    const arc = now.arcOf(end);
    if (arc === undefined) continue;
    for (const name of arc.owners) if (!owners.includes(name)) gained[arc.index]!.add(name);
  }
  return gained;
}

/** By index of an arc, whether some part of it had one of `names` among its owners. */
export function arcsOnceOwnedBy(name: string, now: HashRing, before: HashRing): boolean[] {
  const owned = now.arcs.map(() => false);
  for (const { end, owners } of before.arcs) {
    const arc = now.arcOf(end);
    if (arc !== undefined && owners.includes(name)) owned[arc.index] = true;
  }
  return owned;
}

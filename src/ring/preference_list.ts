/** Preference lists: which nodes own a key (DeCandia et al., "Dynamo", SOSP 2007, section 4.3). */

/**
 * Walks the ring clockwise from `start` and takes the first `count` *distinct* nodes: virtual nodes
 * of one node are one owner. Fewer when there are fewer nodes; never walks more than one round.
 *
 * @param nodeAt Node index of each ring position, in token order.
 * @param start Ring position to begin at.
 * @param count Owners wanted.
 */
export function preferenceList(nodeAt: ArrayLike<number>, start: number, count: number): number[] {
  const owners: number[] = [];
  for (let step = 0; step < nodeAt.length && owners.length < count; step++) {
    const node = nodeAt[(start + step) % nodeAt.length]!;
    if (!owners.includes(node)) owners.push(node);
  }
  return owners;
}

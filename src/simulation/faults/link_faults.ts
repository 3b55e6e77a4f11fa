/** Faults of the network: links that are cut or slow, and bad weather on all of them. */
import { CALM_LINK } from "../virtual/virtual_network.ts";
import type { SimulatedNode } from "../world/simulated_node.ts";
import type { World } from "../world/world.ts";
import type { Strikes, Undo } from "./strike.ts";

/** A link in one direction. */
type Link = readonly [from: SimulatedNode, to: SimulatedNode];

/** On links between nodes alone: those of clients are calm. */
export const LINK_FAULTS: Strikes<
  "partition" | "one_way" | "cut_link" | "slow_link" | "slow_node" | "storm" | "replay"
> = {
  partition({ world, cluster: { nodes } }, { side }) {
    const isInside = (index: number) => side.includes(index);
    return cut(
      world,
      nodes.flatMap((from, i) =>
        nodes.flatMap((to, j): Link[] => isInside(i) === isInside(j) ? [] : [[from, to]])
      ),
    );
  },

  one_way({ world, cluster: { nodes } }, { from, to }) {
    return cut(world, [[nodes[from]!, nodes[to]!]]);
  },

  cut_link({ world, cluster: { nodes } }, { a, b }) {
    return cut(world, bothWays(nodes[a]!, nodes[b]!));
  },

  slow_link({ world, cluster: { nodes } }, { from, to, delayMs }) {
    return slow(world, [[nodes[from]!, nodes[to]!]], delayMs);
  },

  slow_node({ world, cluster: { nodes }, node }, { delayMs }) {
    const others = nodes.filter((other) => other !== node);
    return slow(world, others.flatMap((other) => bothWays(node, other)), delayMs);
  },

  storm({ world: { network } }, { weather }) {
    network.weather = weather;
    return () => network.weather = CALM_LINK;
  },

  replay({ world: { network } }, fault) {
    network.replays = fault;
    return () => network.replays = undefined;
  },
};

function bothWays(a: SimulatedNode, b: SimulatedNode): Link[] {
  return [[a, b], [b, a]];
}

function cut({ network }: World, links: readonly Link[]): Undo {
  const cuts = originsOf(links);
  for (const [from, to] of cuts) network.cut(from, to);
  return () => cuts.forEach(([from, to]) => network.mend(from, to));
}

function slow({ network }: World, links: readonly Link[], delayMs: [number, number]): Undo {
  const slowed = originsOf(links);
  for (const [from, to] of slowed) network.setLink(from, to, { ...CALM_LINK, delayMs });
  return () => slowed.forEach(([from, to]) => network.clearLink(from, to));
}

/** Those of now: a fault ends on the links on which it began, wherever the nodes are by then. */
function originsOf(links: readonly Link[]): (readonly [from: string, to: string])[] {
  return links.map(([from, to]) => [from.origin, to.origin]);
}

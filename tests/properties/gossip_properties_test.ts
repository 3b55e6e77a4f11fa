/**
 * Strategy: up to seven nodes, each with a random non-empty choice of seeds that keeps the cluster
 * connected, start at random moments, are restarted (memory kept) or wiped (memory and node ID
 * gone), and lose random messages; then messages arrive again for a bounded number of rounds.
 *
 * Invariants:
 * - at the end every node has every node in its view, in its latest life and latest status;
 * - views converge within a few rounds, whatever the start order and the gaps were;
 * - every message parses on the other side; incarnations stay within bounds.
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Gossip } from "../../src/membership/gossip.ts";
import { parseGossipMessage } from "../../src/membership/gossip_message.ts";
import { gossipOf, member, originOf } from "../support/members.ts";

const ROUNDS_TO_CONVERGE = 12;

type Step =
  | { do: "start" | "restart" | "wipe"; node: number }
  | { do: "tick"; node: number; lost: boolean };

const steps = (nodes: number): fc.Arbitrary<Step[]> => {
  const node = fc.nat(nodes - 1);
  return fc.array(
    fc.oneof(
      { weight: 2, arbitrary: fc.record({ do: fc.constant("start" as const), node }) },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constantFrom("restart" as const, "wipe" as const), node }),
      },
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constant("tick" as const), node, lost: fc.boolean() }),
      },
    ),
    { maxLength: 40 },
  );
};

class Network {
  readonly nodes: (Gossip | undefined)[];
  readonly #seeds: readonly string[][];
  readonly #lives: number[];
  #nowMs = 0;

  constructor(seeds: readonly number[]) {
    // Node i > 0 knows an earlier one, so that the seeds connect everybody.
    this.#seeds = seeds.map((seed, i) => i === 0 ? [] : [originOf(`n${seed % i}`)]);
    this.nodes = seeds.map(() => undefined);
    this.#lives = seeds.map(() => 0);
  }

  start(i: number, options: { wiped?: boolean } = {}): void {
    const before = this.nodes[i];
    const life = ++this.#lives[i]!;
    const name = `n${i}`;
    const fresh = before === undefined || options.wiped === true;
    this.nodes[i] = gossipOf(
      member(name, {
        nodeID: fresh ? `${name}.${life}` : before.self.nodeID,
        starts: life,
        incarnation: fresh ? 1 : before.self.incarnation + 1,
      }),
      {
        seeds: this.#seeds[i]!,
        ...(fresh ? {} : {
          known: before.members.filter((other) => other.name !== name),
          resolvedSeeds: before.resolvedSeeds,
        }),
      },
    );
  }

  tick(i: number, lost = false): void {
    const node = this.nodes[i];
    if (node === undefined) return;
    for (const origin of node.tick(this.#nowMs).origins) {
      const peer = this.nodes.find((other) => other?.self.origin === origin);
      if (lost || peer === undefined) continue;
      this.#nowMs++;
      peer.receive(wire(node), this.#nowMs);
      node.receive(wire(peer), this.#nowMs, origin);
    }
  }
}

function wire(node: Gossip) {
  return parseGossipMessage(JSON.parse(JSON.stringify(node.message())));
}

Deno.test("gossip: membership converges whatever the start order, gaps, restarts and wipes", () => {
  const scenario = fc.integer({ min: 1, max: 7 }).chain((nodes) =>
    fc.record({
      seeds: fc.array(fc.nat(), { minLength: nodes, maxLength: nodes }),
      steps: steps(nodes),
    })
  );
  fc.assert(fc.property(scenario, ({ seeds, steps }) => {
    const network = new Network(seeds);
    for (const step of steps) {
      if (step.do === "tick") network.tick(step.node, step.lost);
      else if (step.do === "start" && network.nodes[step.node] === undefined) {
        network.start(step.node);
      } else if (network.nodes[step.node] !== undefined && step.do !== "start") {
        network.start(step.node, { wiped: step.do === "wipe" });
      }
    }
    seeds.forEach((_, i) => network.nodes[i] ?? network.start(i));
    for (let round = 0; round < ROUNDS_TO_CONVERGE; round++) {
      seeds.forEach((_, i) => network.tick(i));
    }
    const truth = network.nodes.map((node) => node!.self).sort((a, b) => a.name < b.name ? -1 : 1);
    for (const node of network.nodes) {
      const view = node!.members.map(({ heartbeat: _, ...rest }) => rest);
      assertEquals(view, truth.map(({ heartbeat: _, ...rest }) => rest), node!.self.name);
      assertEquals(node!.unresolvedSeeds, []);
    }
  }));
});

/**
 * What must hold of all nodes of the model of membership after every step, whoever coordinates:
 * - each write quorum that a node could reach shares an owner with each that any node could reach;
 * - each write quorum shares an owner with each read quorum;
 * - no R owners that count lack an acknowledged write.
 *
 * A quorum that could be reached is one of owners that are awake and would take the request of this very
 * coordinator. Links that are cut do not matter: they may be whole in the next moment. What those can do
 * alone that were put out as dead, and have not heard of it, is no quorum: `docs/operations.md` says so.
 */
import type { Key } from "../../../src/record/key.ts";
import type { Owner, OwnerSet } from "../../../src/replication/topology/owner.ts";
import type { Topology } from "../../../src/replication/topology/topology.ts";
import type { Token } from "../../../src/ring/token.ts";
import { isConvergeError } from "../../../src/errors.ts";
import { type ModelNode, TOKENS } from "./node.ts";

/** All nodes as they are now. */
export interface ModelState {
  readonly awake: readonly ModelNode[];
  /** Whether a node was put out and has not heard of it. */
  isGhost(node: ModelNode): boolean;
  /** The highest acknowledged version by key. */
  readonly acked: ReadonlyMap<Key, number>;
}

/** Any `size` of these owners. */
interface Quorum {
  readonly kind: "W" | "R";
  /** Node IDs. */
  readonly owners: readonly string[];
  readonly size: number;
  readonly text: string;
}

/** What is wrong; undefined where nothing is. */
export function violationIn({ awake, isGhost, acked }: ModelState): string | undefined {
  const nodes = new Map(awake.map((node) => [node.nodeID, node]));
  const ghosts = new Set(awake.filter(isGhost));
  const coordinators = awake.map((node) => new Coordinator(node, nodes, ghosts));
  const judged = new Set<string>();
  for (const [key, token] of TOKENS) {
    const quorums = coordinators.flatMap((coordinator) => coordinator.quorumsAt(token));
    const versionAt = (nodeID: string) => nodes.get(nodeID)!.versionOf(key);
    // Most keys have the same owners.
    const texts = quorums.map(({ text }) => text).join();
    const violation = staleRead(quorums, versionAt, acked.get(key)) ??
      (judged.has(texts) ? undefined : apart(quorums));
    if (violation !== undefined) return `${key}: ${violation}`;
    judged.add(texts);
  }
  return undefined;
}

/** The quorums that a node could reach now. */
class Coordinator {
  readonly #node: ModelNode;
  /** By node ID. */
  readonly #nodes: ReadonlyMap<string, ModelNode>;
  readonly #ghosts: ReadonlySet<ModelNode>;
  readonly #topology: Topology;
  readonly #isReady: boolean;
  readonly #quorums = new Map<OwnerSet, readonly Quorum[]>();

  constructor(
    node: ModelNode,
    nodes: ReadonlyMap<string, ModelNode>,
    ghosts: ReadonlySet<ModelNode>,
  ) {
    this.#node = node;
    this.#nodes = nodes;
    this.#ghosts = ghosts;
    this.#topology = node.topology;
    this.#isReady = knowsOwners(this.#topology);
  }

  /** None while the owners are not known. */
  quorumsAt(token: Token): readonly Quorum[] {
    if (!this.#isReady) return [];
    const set = this.#topology.ownerSetOf(token);
    let quorums = this.#quorums.get(set);
    if (quorums === undefined) this.#quorums.set(set, quorums = this.#quorumsOf(set));
    return quorums;
  }

  #quorumsOf({ owners }: OwnerSet): Quorum[] {
    const { w, r } = this.#topology.quorums;
    const taking = owners.filter((owner) =>
      owner.countsForWrites && this.#askedOf(owner)?.takesRecords === true
    );
    const answering = owners.filter((owner) =>
      owner.countsForReads && this.#askedOf(owner)?.answersReads === true
    );
    return [this.#quorum("W", taking, w), this.#quorum("R", answering, r)]
      .filter(({ owners, size }) => owners.length >= size && !this.#isOfGhosts(owners, size));
  }

  /** Whether nodes that were put out could reach it alone. */
  #isOfGhosts(owners: readonly string[], size: number): boolean {
    return owners.filter((nodeID) => this.#ghosts.has(this.#nodes.get(nodeID)!)).length >= size;
  }

  /** An owner, unless it is away or would refuse to hear this coordinator. */
  #askedOf({ isSelf, member }: Owner): ModelNode | undefined {
    if (isSelf) return this.#node;
    const node = this.#nodes.get(member?.nodeID ?? "");
    return node?.admits(this.#node, node.nodeID) === true ? node : undefined;
  }

  #quorum(kind: "W" | "R", owners: readonly Owner[], size: number): Quorum {
    const nodeIDs = owners.map(({ member }) => member!.nodeID);
    const text = `${kind} = ${size} of ${nodeIDs.join(", ")} by ${this.#node.nodeID}`;
    return { kind, owners: nodeIDs, size, text };
  }
}

function knowsOwners(topology: Topology): boolean {
  try {
    topology.ownersOfToken([...TOKENS.values()][0]!);
    return true;
  } catch (error) {
    if (isConvergeError(error, "not_ready")) return false;
    throw error;
  }
}

function staleRead(
  quorums: readonly Quorum[],
  versionAt: (nodeID: string) => number,
  acked = 0,
): string | undefined {
  for (const read of quorums) {
    if (read.kind === "W") continue;
    const lacking = read.owners.filter((nodeID) => versionAt(nodeID) < acked);
    if (lacking.length >= read.size) {
      return `${read.text} may be read of ${lacking.join(", ")}, which lack ${acked}`;
    }
  }
  return undefined;
}

/** A write quorum and another one that need not share an owner. */
function apart(quorums: readonly Quorum[]): string | undefined {
  for (const write of quorums) {
    if (write.kind === "R") continue;
    for (const other of quorums) {
      const all = new Set([...write.owners, ...other.owners]);
      if (all.size >= write.size + other.size) return `${write.text} misses ${other.text}`;
    }
  }
  return undefined;
}

/** The topology of the members as this node knows them now. */
import type { SharedOptions } from "../../config.ts";
import type { Gossip } from "../../membership/gossip.ts";
import { sourcesOf } from "../../membership/removal_step.ts";
import type { Topology, TopologyOptions } from "./topology.ts";

/** What it is made of. */
export interface CurrentTopologyOptions {
  gossip: Gossip;
  shared: SharedOptions;
  createTopology(options: TopologyOptions): Topology;
}

/** Holds one topology until gossip tells of another. */
export class CurrentTopology {
  readonly #options: CurrentTopologyOptions;
  #version: string;
  #topology: Topology;

  constructor(options: CurrentTopologyOptions) {
    this.#options = options;
    this.#version = this.#currentVersion();
    this.#topology = this.#create();
  }

  /** As of the last `refresh`. */
  get topology(): Topology {
    return this.#topology;
  }

  /** Follows gossip. @returns The topology of before; undefined where it is still the same. */
  refresh(): Topology | undefined {
    const version = this.#currentVersion();
    if (version === this.#version) return undefined;
    const before = this.#topology;
    this.#version = version;
    this.#topology = this.#create();
    return before;
  }

  #create(): Topology {
    const { gossip, shared, createTopology } = this.#options;
    const { self, members, unresolvedSeeds, settled, pending, ownRemoval, removalView, isUnknown } =
      gossip;
    return createTopology({
      ...shared,
      selfName: self.name,
      members,
      unresolvedSeeds,
      settled,
      pending,
      sources: sourcesOf(removalView),
      isUnknown,
      isRemoved: ownRemoval !== undefined,
    });
  }

  /** What a topology is made from, as text: heartbeats alone do not need a new one. */
  #currentVersion(): string {
    const { version, unresolvedSeeds } = this.#options.gossip;
    return `${version} ${unresolvedSeeds.join(" ")}`;
  }
}

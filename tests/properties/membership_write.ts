/** A write of the model of membership, under way. It goes by the topology of when it began. */
import type { Key } from "../../src/record/key.ts";
import { WriteCore } from "../../src/replication/quorum/write_core.ts";
import type { Owner } from "../../src/replication/topology/topology.ts";
import { type ModelNode, TOKENS } from "./membership_node.ts";

/** What a write begins with. */
export interface ModelWriteOptions {
  coordinator: ModelNode;
  key: Key;
  version: number;
  /** Of the model. */
  firstStep: number;
  /** How many steps it has. */
  steps: number;
}

/** One attempt of a coordinator to store a version; nobody tries again. */
export class ModelWrite {
  readonly coordinator: ModelNode;
  readonly key: Key;
  readonly version: number;
  readonly firstStep: number;
  readonly #endStep: number;
  readonly #owners: readonly Owner[];
  readonly #core: WriteCore;
  /** Positions of owners that it was not sent to yet. */
  readonly unsent: number[];

  /** @throws {ConvergeError} `not_ready` while the coordinator does not know who owns the key. */
  constructor({ coordinator, key, version, firstStep, steps }: ModelWriteOptions) {
    const { topology } = coordinator;
    const { owners, countsForWrites } = topology.ownerSetOf(TOKENS.get(key)!);
    this.coordinator = coordinator;
    this.key = key;
    this.version = version;
    this.firstStep = firstStep;
    this.#endStep = firstStep + steps;
    this.#owners = owners;
    this.#core = new WriteCore(countsForWrites, topology.quorums.w);
    this.unsent = [...owners.keys()].filter((slot) => isTold(owners[slot]!));
  }

  get isAcked(): boolean {
    return this.#core.decision === "acked";
  }

  /** Whether it may still be sent, and answered. */
  isUnderWay(step: number): boolean {
    return step < this.#endStep && this.coordinator.isAlive;
  }

  /** Position of the coordinator among the owners; undefined where it is none. */
  get ownSlot(): number | undefined {
    return this.unsent.find((slot) => this.#owners[slot]!.isSelf);
  }

  ownerAt(slot: number): Owner {
    return this.#owners[slot]!;
  }

  /** It has arrived at an owner. */
  storeAt(slot: number, target: ModelNode): void {
    if (!target.takesRecords) return;
    const isStored = target.store(this.key, this.version);
    const newer = { counter: target.versionOf(this.key), nodeID: target.nodeID };
    this.#core.answer(slot, isStored ? "stored" : newer);
  }

  toString(): string {
    const owners = this.#owners.map(({ name, countsForWrites }) =>
      countsForWrites ? name : `${name} (does not count)`
    );
    return `${this.key} = ${this.version}, W = ${this.coordinator.topology.quorums.w} of ${
      owners.join(", ")
    }`;
  }
}

function isTold({ member, gaining }: Owner): boolean {
  return member !== undefined && gaining !== "joining";
}

/** Writes of the model of membership. Each goes by the topology of when it began. */
import { isConvergeError } from "../../../src/errors.ts";
import { pick } from "../../../src/platform/random.ts";
import type { Key } from "../../../src/record/key.ts";
import { WriteCore } from "../../../src/replication/quorum/write_core.ts";
import type { Owner } from "../../../src/replication/topology/owner.ts";
import { type ModelNode, TOKENS } from "./node.ts";
import type { World } from "./world.ts";

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
  readonly #w: number;
  /** Positions of owners that it was not sent to yet. */
  readonly unsent: number[];
  /** Positions of owners that have stored it. */
  readonly #stored = new Map<number, ModelNode>();

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
    this.#w = topology.quorums.w;
    this.#core = new WriteCore(countsForWrites, this.#w);
    this.unsent = [...owners.keys()].filter((slot) => isTold(owners[slot]!));
  }

  get isAcked(): boolean {
    return this.#core.decision === "acked";
  }

  /** Whether as many of these as make a quorum have stored it. */
  isStoredBy(isOne: (node: ModelNode) => boolean): boolean {
    return [...this.#stored.values()].filter(isOne).length >= this.#w;
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
    if (!target.takesRecords || target.machine.disk.isFull) return;
    const isStored = target.store(this.key, this.version);
    if (isStored) this.#stored.set(slot, target);
    const newer = { counter: target.versionOf(this.key), nodeID: target.nodeID };
    this.#core.answer(slot, isStored ? "stored" : newer);
  }

  toString(): string {
    const owners = this.#owners.map(({ name, countsForWrites }) =>
      countsForWrites ? name : `${name} (does not count)`
    );
    return `${this.key} = ${this.version}, W = ${this.#w} of ${owners.join(", ")}`;
  }
}

/** All writes of a schedule. */
export class Writes {
  /** The highest acknowledged version by key. */
  readonly acked = new Map<Key, number>();
  readonly #world: World;
  #underWay: ModelWrite[] = [];
  #lastVersion = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** A step has passed. */
  onStep(): void {
    this.#underWay = this.#underWay.filter((write) => write.isUnderWay(this.#world.step));
  }

  /** Whether a write is under way that began no later than at a step. @param by Of one coordinator. */
  isUnderWaySince(step: number, by?: ModelNode): boolean {
    return this.#underWay.some(({ firstStep, coordinator }) =>
      firstStep <= step && (by === undefined || coordinator === by)
    );
  }

  /** Most are sent to all owners at once; messages get lost. */
  begin(coordinator: ModelNode): void {
    const world = this.#world;
    const write = this.#new(coordinator);
    if (write === undefined) return;
    this.#underWay.push(write);
    world.note(`${coordinator.nodeID} writes ${write}`);
    if (write.ownSlot !== undefined) this.#sendTo(write, write.ownSlot);
    if (!world.chance(0.7)) return;
    for (const slot of [...write.unsent]) if (world.chance(0.65)) this.#sendTo(write, slot);
  }

  #new(coordinator: ModelNode): ModelWrite | undefined {
    const { random, step } = this.#world;
    try {
      return new ModelWrite({
        coordinator,
        key: pick(random, [...TOKENS.keys()]),
        version: ++this.#lastVersion,
        firstStep: step,
        steps: 3 + this.#world.integer(25),
      });
    } catch (error) {
      if (isConvergeError(error, "not_ready")) return undefined;
      throw error;
    }
  }

  /** One more message of a write. */
  goOn(): void {
    const writes = this.#underWay.filter(({ coordinator, unsent }) =>
      coordinator.isAwake && unsent.length > 0
    );
    if (writes.length === 0) return;
    const write = this.#world.pick(writes);
    this.#sendTo(write, this.#world.pick(write.unsent));
  }

  #sendTo(write: ModelWrite, slot: number): void {
    write.unsent.splice(write.unsent.indexOf(slot), 1);
    const { coordinator, key, version, isAcked } = write;
    const { isSelf, name, member } = write.ownerAt(slot);
    if (isSelf) {
      write.storeAt(slot, coordinator);
    } else {
      const target = this.#world.reach(coordinator, name);
      if (target?.admits(coordinator, member?.nodeID) === true) write.storeAt(slot, target);
    }
    if (isAcked || !write.isAcked) return;
    // What those acknowledge alone that were put out is lost, as `docs/operations.md` says.
    if (write.isStoredBy((node) => this.#world.isGhost(node))) return;
    this.acked.set(key, Math.max(version, this.acked.get(key) ?? 0));
    this.#world.note(`${key} = ${version} is acknowledged`);
  }
}

function isTold({ member, gaining }: Owner): boolean {
  return member !== undefined && gaining !== "joining";
}

/** Mistakes in counting: who counts, how often, and for what. */
import { ConvergeError, isConvergeError } from "../../errors.ts";
import type { Key } from "../../record/key.ts";
import type { StoredRecord } from "../../record/record.ts";
import { Coordinator } from "../../replication/requests/coordinator.ts";
import { PeerLink } from "../../replication/peers/peer_link.ts";
import type { WriteWaiter } from "../../replication/quorum/write_core.ts";
import { Replica } from "../../replication/replica.ts";
import { type Owner, type OwnerSet, ownerSet } from "../../replication/topology/owner.ts";
import { Topology } from "../../replication/topology/topology.ts";
import type { OwnerReceipt, Receipt } from "../../replication/requests/receipt.ts";
import {
  WriteOperation,
  type WriteOptions,
  type WriteResult,
} from "../../replication/requests/write_operation.ts";
import type { Token } from "../../ring/token.ts";
import { withPartialWrites } from "./focused_plans.ts";
import type { Defect } from "./defect.ts";

/** Calls a hint as good as a copy. */
class HintingLink extends PeerLink {
  override write(record: StoredRecord, waiter: WriteWaiter, slot: number): void {
    const credulous: WriteWaiter = {
      onWriteAnswer: (position, answer, nowMs) =>
        waiter.onWriteAnswer(position, typeof answer === "object" ? answer : "stored", nowMs),
    };
    super.write(record, credulous, slot);
  }
}

/** Says that a read's repairs are done and does not send them. */
class UnrepairingLink extends PeerLink {
  override write(record: StoredRecord, waiter: WriteWaiter, slot: number): void {
    if (waiter instanceof WriteOperation) super.write(record, waiter, slot);
    else waiter.onWriteAnswer(slot, "stored", 0);
  }
}

/** The same for this node's own copy. */
class UnrepairingReplica extends Replica {
  override write(record: StoredRecord, waiter: WriteWaiter, slot: number): void {
    if (waiter instanceof WriteOperation) super.write(record, waiter, slot);
    else waiter.onWriteAnswer(slot, "stored", 0);
  }
}

/** Makes other owners of the right ones. */
class MiscountingTopology extends Topology {
  readonly #miscount: (owners: readonly Owner[]) => readonly Owner[];

  constructor(
    options: ConstructorParameters<typeof Topology>[0],
    miscount: (owners: readonly Owner[]) => readonly Owner[],
  ) {
    super(options);
    this.#miscount = miscount;
  }

  override ownerSetOf(token: Token): OwnerSet {
    return ownerSet(this.#miscount(super.ownerSetOf(token).owners));
  }
}

/** This node in the place of the last other owner too. */
function selfTwice(owners: readonly Owner[]): readonly Owner[] {
  const self = owners.find(({ isSelf }) => isSelf);
  if (self === undefined) return owners;
  return [self, self, ...owners.filter((owner) => owner !== self)].slice(0, owners.length);
}

/** The first owner in the place of the second, as if two of its tokens followed each other. */
function firstTwice(owners: readonly Owner[]): readonly Owner[] {
  const [first, , ...rest] = owners;
  return first === undefined || owners.length < 2 ? owners : [first, first, ...rest];
}

/** Tells of a failed write something else than what is known. */
class DishonestCoordinator extends Coordinator {
  readonly #told: (receipt: Partial<Receipt>) => Partial<Receipt>;

  constructor(
    context: ConstructorParameters<typeof Coordinator>[0],
    told: (receipt: Partial<Receipt>) => Partial<Receipt>,
  ) {
    super(context);
    this.#told = told;
  }

  override async write(
    key: Key,
    value: Uint8Array | undefined,
    options?: WriteOptions,
  ): Promise<WriteResult> {
    try {
      return await super.write(key, value, options);
    } catch (error) {
      if (!isConvergeError(error, "quorum_unreachable")) throw error;
      const details = { ...error.details, ...this.#told(error.details) };
      throw new ConvergeError(error.code, error.message, { cause: error, details });
    }
  }
}

function storedOn(owners: readonly OwnerReceipt[]): string[] {
  return owners.filter(({ outcome }) => outcome === "stored").map(({ name }) => name);
}

/** Defects of quorums. */
export const QUORUM_DEFECTS: readonly Defect[] = [
  {
    name: "hint-is-ack",
    about: "a hint counts towards W",
    seedsMax: 50,
    parts: { createPeerLink: (...args) => new HintingLink(...args) },
  },
  {
    name: "write-to-one",
    about: "a write is acknowledged by one owner",
    seedsMax: 50,
    parts: { createTopology: (options) => new Topology({ ...options, writeQuorum: 1 }) },
  },
  {
    name: "read-from-one",
    about: "a read asks one owner",
    seedsMax: 50,
    parts: { createTopology: (options) => new Topology({ ...options, readQuorum: 1 }) },
  },
  {
    name: "own-copy-twice",
    about: "a node's own copy is counted twice",
    seedsMax: 50,
    parts: { createTopology: (options) => new MiscountingTopology(options, selfTwice) },
  },
  {
    name: "tokens-are-owners",
    about: "virtual nodes are counted as distinct owners",
    seedsMax: 50,
    parts: { createTopology: (options) => new MiscountingTopology(options, firstTwice) },
  },
  {
    name: "repair-not-done",
    about: "a read is answered before R owners hold what it answers",
    seedsMax: 50,
    plan: withPartialWrites,
    parts: {
      createPeerLink: (...args) => new UnrepairingLink(...args),
      createReplica: (...args) => new UnrepairingReplica(...args),
    },
  },
  {
    name: "certain-failure",
    about: "a failed write is reported as certainly not stored",
    seedsMax: 50,
    parts: {
      createCoordinator: (context) =>
        new DishonestCoordinator(context, () => ({ indeterminate: false })),
    },
  },
  {
    name: "silence-is-refusal",
    about: "a failed write is said to be only on owners that answered that they have it",
    seedsMax: 50,
    parts: {
      createCoordinator: (context) =>
        new DishonestCoordinator(context, ({ owners = [] }) => ({ mayBeOn: storedOn(owners) })),
    },
  },
];

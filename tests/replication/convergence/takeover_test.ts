/** One node's way through the removal of a member, with all others played by the test. */
import { assert, assertEquals } from "@std/assert";
import type { Gossip } from "../../../src/membership/gossip.ts";
import type { RemovalStage, RemovalStages } from "../../../src/membership/removal_stage.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import type {
  ExchangeRequest,
  KeyExchange,
} from "../../../src/replication/convergence/key_exchange.ts";
import { LEAVES_PER_ARC } from "../../../src/replication/convergence/merkle_tree.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import type { PeerLink } from "../../../src/replication/peers/peer_link.ts";
import type { Replica } from "../../../src/replication/replica.ts";
import { savedStages, Takeover } from "../../../src/replication/convergence/takeover.ts";
import type { Topology } from "../../../src/replication/topology/topology.ts";
import { tokenOf } from "../../../src/ring/token.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA, META } from "../../../src/storage/store.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { gossipOf, member } from "../../support/members.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

const TIMEOUT_MS = 2_000;
const OTHERS = ["node2", "node3", "node4"];
const KEYS = Array.from({ length: 2_000 }, (_, i) => `key${i}`);

/** `node1`, while `node5` is removed, which is dead unless told otherwise. */
class Played {
  readonly gossip: Gossip = gossipOf(member("node1"), {
    known: [...OTHERS, "node5"].map((name) => member(name)),
  });
  readonly store = new MemoryStore();
  readonly state = new LocalState(this.store);
  readonly takeover: Takeover;
  readonly exchanges: ExchangeRequest[] = [];
  /** What it said of itself whenever it wrote to its disk. */
  readonly saidBefore: (RemovalStage | undefined)[] = [];
  /** How far it got, as its log has it. */
  readonly stages: unknown[] = [];
  saves = 0;
  timers = 0;
  changes = 0;
  isToldOfRefill = false;
  onErase = () => {};
  exchange: (request: ExchangeRequest) => Promise<boolean> = () => Promise.resolve(true);
  readonly #world: InWorld;
  #heartbeat = 0;

  constructor(world: InWorld, { dead = true } = {}) {
    this.#world = world;
    this.gossip.remove("node5", dead);
    const apply = this.store.apply.bind(this.store);
    this.store.apply = (mutations) => {
      if (mutations[0]?.keyspace === META) this.saidBefore.push(this.stage);
      return apply(mutations);
    };
    this.takeover = new Takeover({
      gossip: this.gossip,
      store: this.store,
      replica: { collect: (due: StoredRecord[]) => this.#erase(due) } as unknown as Replica,
      exchange: { run: (request: ExchangeRequest) => this.#run(request) } as unknown as KeyExchange,
      state: this.state,
      clock: this.#clock(),
      log: { info: (event, fields) => this.#note(event, fields), warn() {}, error() {} },
      requestTimeoutMs: TIMEOUT_MS,
      topology: () => this.topology(),
      linkTo: () => ({}) as PeerLink,
      save: async () => void this.saves++,
      onBeforeRefill: async () => void (this.isToldOfRefill = true),
      onChange: () => void this.changes++,
    });
  }

  get stage(): RemovalStage | undefined {
    return this.gossip.self.removals?.["node5.1"];
  }

  topology(): Topology {
    const { members, pending, settled } = this.gossip;
    return topologyOf(0, { members, pending, settled, virtualNodes: 8 });
  }

  /** All others say how far they are, and this node has time for what follows. */
  async othersSay(
    stage: RemovalStage,
    more: RemovalStages = {},
    others: readonly string[] = OTHERS,
  ): Promise<void> {
    const heartbeat = ++this.#heartbeat;
    const members = others.map((name) =>
      member(name, { heartbeat, removals: { "node5.1": stage, ...more } })
    );
    this.gossip.receive({ from: "node2", members }, 0);
    await this.#world.wait(10_000);
  }

  readFrom(): string[] {
    return this.exchanges.map(({ peerName }) => peerName);
  }

  #clock(): Clock {
    const { clock } = this.#world;
    return {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      clearTimer: (timer) => clock.clearTimer(timer),
      setTimer: (delayMs, callback) => {
        this.timers++;
        return clock.setTimer(delayMs, callback);
      },
    };
  }

  #note(event: string, fields: Record<string, unknown> | undefined): void {
    if (event === "member.removal") this.stages.push([fields?.nodeID, fields?.stage]);
  }

  async #erase(due: StoredRecord[]): Promise<void> {
    assert(this.isToldOfRefill, "what is erased may be needed no more");
    await this.#world.wait(1);
    this.onErase();
    await this.store.apply(due.map((one) => ({ keyspace: DATA, record: one, erase: true })));
  }

  async #run(request: ExchangeRequest): Promise<{ complete: boolean }> {
    this.exchanges.push(request);
    const complete = await this.exchange(request);
    return { complete: complete && await request.onPage(undefined, null as never) };
  }
}

Deno.test("Takeover: knows, clears, takes over from all, is done, and ends, each on disk before it is said", () =>
  inWorld(async (world) => {
    const played = new Played(world);
    const { takeover, gossip, state } = played;
    await played.store.apply(KEYS.map((key) => ({ keyspace: DATA, record: record(key, 1) })));
    const isNew = played.topology().isNewTo("node1", ["node5"]);
    const kept = KEYS.filter((key) => !isNew(tokenOf(key))).sort();
    assert(kept.length > 0 && kept.length < KEYS.length - 260, "more than are erased at once");
    takeover.start();
    takeover.start();
    await world.wait(TIMEOUT_MS - 1);
    assertEquals([played.saves, played.stage], [1, undefined], "requests by the old ring go on");
    await world.wait(5_000);
    assertEquals([played.stage, played.changes], ["known", 1]);
    // One more turns up while it is being cleared.
    const erased = KEYS.find((key) => isNew(tokenOf(key)))!;
    const onTold = played.store.scan.bind(played.store);
    let scans = 0;
    played.store.scan = (keyspace, options) => {
      if (++scans === 2) {
        void played.store.apply([{ keyspace: DATA, record: record(erased, 9) }]);
      }
      return onTold(keyspace, options);
    };
    played.exchange = (request) => {
      return Promise.resolve(request.peerName !== "node3" || played.exchanges.length > 3);
    };
    await played.othersSay("known");
    const left = played.store.scan(DATA).next(Infinity).map(({ key }) => key);
    assertEquals(left, kept);
    assertEquals(played.readFrom(), ["node2", "node3", "node4", "node3"], "once more what failed");
    assertEquals(played.exchanges.map(({ values }) => values), [true, false, false, false]);
    const gained = played.topology().arcsToTakeOver("node1");
    const leaves = gained.flatMap((arc) =>
      Array.from({ length: LEAVES_PER_ARC }, (_, i) => arc * LEAVES_PER_ARC + i)
    );
    assert(leaves.every((leaf) => played.exchanges[0]!.leaves!.has(leaf)));
    assertEquals(played.exchanges[0]!.leaves!.size, leaves.length);
    assertEquals(played.stage, "done");
    const changes = played.changes;
    await played.othersSay("done");
    assertEquals([gossip.pending, played.saves], [[], 2]);
    assert(played.changes > changes);
    assertEquals(played.saidBefore, [undefined, "known", "refilling"]);
    assertEquals(savedStages(state), { "node5.1": "done" });
    const { timers } = played;
    takeover.start();
    await world.wait(1_000);
    assertEquals(played.timers, timers, "nothing is left to wait for");
    gossip.remove("node4", true);
    takeover.start();
    await world.wait(TIMEOUT_MS + 100);
    assertEquals(gossip.self.removals, { "node4.1": "known" }, "the next one");
    takeover.stop();
  }));

Deno.test("Takeover: what was read before data was lost is read again", () =>
  inWorld(async (world) => {
    const played = new Played(world);
    played.takeover.start();
    await world.wait(5_000);
    const goesOn: boolean[] = [];
    played.exchange = async ({ peerName, onPage }) => {
      if (peerName === "node3" && played.exchanges.length === 2) played.takeover.onDataLost();
      goesOn.push(await onPage(undefined, null as never));
      return true;
    };
    await played.othersSay("known");
    assertEquals(played.readFrom(), ["node2", "node3", "node2", "node3", "node4"]);
    assertEquals(goesOn, [true, false, true, true, true]);
    assertEquals(played.exchanges[2]!.values, true, "it has next to nothing again");
    played.takeover.stop();
  }));

Deno.test("Takeover: stopped while it clears, it has not cleared", () =>
  inWorld(async (world) => {
    const played = new Played(world);
    await played.store.apply(KEYS.map((key) => ({ keyspace: DATA, record: record(key, 1) })));
    played.takeover.start();
    await world.wait(5_000);
    played.onErase = () => played.takeover.stop();
    await played.othersSay("known");
    assertEquals([played.stage, savedStages(played.state)], ["known", { "node5.1": "known" }]);
  }));

Deno.test("Takeover: of two removals the one that it is done with stays so, and all is read again", () =>
  inWorld(async (world) => {
    const played = new Played(world);
    played.takeover.start();
    await world.wait(5_000);
    await played.othersSay("known");
    assertEquals([played.stage, played.exchanges.length], ["done", 3]);
    played.gossip.remove("node4", true);
    await world.wait(5_000);
    const saidAt: unknown[] = [];
    played.exchange = () => {
      assertEquals(savedStages(played.state), played.gossip.self.removals);
      saidAt.push(played.gossip.self.removals);
      return Promise.resolve(true);
    };
    await played.othersSay("known", { "node4.1": "known" });
    assertEquals(played.readFrom().slice(3), ["node2", "node3"]);
    assertEquals(saidAt[0], { "node5.1": "done", "node4.1": "refilling" });
    assertEquals(played.gossip.self.removals, { "node5.1": "done", "node4.1": "done" });
    const [five, four] = ["node5.1", "node4.1"].map((nodeID) =>
      ["known", "refilling", "done"].map((stage) => [nodeID, stage])
    );
    assertEquals(played.stages, [...five!, ...four!], "each is told of once");
    played.takeover.stop();
  }));

Deno.test("Takeover.stop(): nothing is said or read any more", () =>
  inWorld(async (world) => {
    const played = new Played(world);
    played.takeover.start();
    await world.wait(5_000);
    const goesOn: boolean[] = [];
    played.exchange = async ({ onPage }) => {
      played.takeover.stop();
      goesOn.push(await onPage(undefined, null as never));
      return true;
    };
    await played.othersSay("known");
    assertEquals([played.stage, goesOn[0]], ["refilling", false]);
    const { length } = played.exchanges;
    await played.othersSay("done");
    played.takeover.start();
    await world.wait(5_000);
    assertEquals([played.stage, played.exchanges.length], ["refilling", length]);
  }));

Deno.test("Takeover: a member that leaves and lives is read last, for what it owned, and nothing is taken for all there is", () =>
  inWorld(async (world) => {
    const played = new Played(world, { dead: false });
    played.takeover.start();
    await world.wait(5_000);
    // Nobody is read to the end at first, so that node1 has next to nothing when it comes to node5.
    played.exchange = () => Promise.resolve(played.exchanges.length > 3);
    await played.othersSay("known");
    assertEquals(played.readFrom(), [], "it may still count, as long as it does not know");
    await played.othersSay("known", {}, [...OTHERS, "node5"]);
    assertEquals(played.readFrom().slice(0, 4), [...OTHERS, "node5"]);
    assertEquals(played.exchanges.slice(0, 4).map(({ values }) => values), [
      ...[true, true, true],
      false,
    ]);
    const topology = played.exchanges[3]!.topology;
    const shared = topology.arcsOnceSharedBy("node1", "node5");
    assert(shared.length > topology.arcsToTakeOver("node1").length);
    const { leaves } = played.exchanges[3]!;
    assertEquals(leaves!.size, shared.length * LEAVES_PER_ARC);
    assert(shared.every((arc) => leaves!.has(arc * LEAVES_PER_ARC)));
    played.takeover.stop();
  }));

Deno.test("Takeover: where another removal begins while it clears or reads, what it did by the ring of before is not enough", () =>
  inWorld(async (world) => {
    for (const under of ["clear", "refill"]) {
      const played = new Played(world);
      await played.store.apply(KEYS.map((key) => ({ keyspace: DATA, record: record(key, 1) })));
      played.takeover.start();
      await world.wait(5_000);
      const goesOn: boolean[] = [];
      if (under === "clear") played.onErase = () => void played.gossip.remove("node4", true);
      else {
        played.exchange = async ({ onPage }) => {
          played.gossip.remove("node4", true);
          goesOn.push(await onPage(undefined, null as never));
          return true;
        };
      }
      await played.othersSay("known");
      assertEquals(played.gossip.self.removals, {
        "node5.1": under === "clear" ? "known" : "refilling",
        "node4.1": "known",
      });
      assertEquals(goesOn, under === "clear" ? [] : [false]);
      played.takeover.stop();
    }
  }));

/** What a node asks of each member that it is filled from, and what it makes of a loss. */
import { assert, assertEquals } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Member, MemberStatus } from "../../../src/membership/member.ts";
import { keyFromText } from "../../../src/record/key.ts";
import type { ExchangeRequest } from "../../../src/replication/convergence/key_exchange.ts";
import { Refill, type RefillOptions } from "../../../src/replication/convergence/refill.ts";
import { notedLoss, noteOldCopy } from "../../../src/replication/convergence/refill_document.ts";
import { SavedProgress } from "../../../src/replication/convergence/saved_progress.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { gossipOf, member } from "../../support/members.ts";
import { refillOptions } from "../../support/refills.ts";
import { topologyOf } from "../../support/topologies.ts";

const COUNTS = { pulled: 1, pushed: 0, compared: 1 };

/** The refill of `node1` from members who know it, unless it joins. */
function filling(
  { clock, wait }: InWorld,
  {
    status = "refilling",
    known = [member("node2")],
    saved,
    differing = () => Promise.resolve(new Set()),
    complete = () => true,
    store = new MemoryStore(),
    ...more
  }: {
    status?: MemberStatus;
    known?: readonly Member[];
    saved?: { done?: string[]; after?: Record<string, string>; loss?: number };
    differing?: (name: string, fresh: boolean) => Promise<unknown>;
    complete?: () => boolean;
    store?: MemoryStore;
  } & Partial<RefillOptions> = {},
) {
  const state = new LocalState(store);
  const self = member("node1", { status });
  const gossip = gossipOf(self, { known });
  for (const { name } of status === "joining" ? [] : known) {
    gossip.receive({ from: name, members: [self, ...known] }, 0);
  }
  const requests: ExchangeRequest[] = [];
  const told: string[] = [];
  const options = refillOptions({
    gossip,
    state,
    clock,
    exchange: {
      run: (request: ExchangeRequest) => {
        requests.push(request);
        return Promise.resolve({ ...COUNTS, complete: complete() });
      },
    },
    antiEntropy: {
      differing: (name: string, _link: unknown, _topology: unknown, fresh: boolean) =>
        differing(name, fresh),
    },
    onStatus: () => Promise.resolve(void told.push(gossip.self.status)),
    ...more,
  });
  const save = async () => {
    const ring = options.topology().fingerprint;
    await state.write("refill", { ring, done: [], after: {}, loss: 0, ...saved });
  };
  /** Whether it becomes `normal` in some time. */
  const isFilled = async () => {
    for (let i = 0; i < 500 && gossip.self.status !== "normal"; i++) await wait(10);
    return gossip.self.status === "normal";
  };
  return { refill: new Refill(options), gossip, state, requests, told, save, isFilled };
}

Deno.test("Refill: goes on where it was, and knows of a loss that it noted in an earlier life", () =>
  inWorld(async (world) => {
    const saved = { after: { node2: "k" }, loss: 7 };
    const { refill, state, save, requests, isFilled, told } = filling(world, { saved });
    await save();
    refill.start();
    assert(await isFilled());
    const [{ after, leaves, values, leftovers }] = requests as [ExchangeRequest];
    assertEquals([after, leaves, values, leftovers], [keyFromText("k"), undefined, true, true]);
    assertEquals(told, ["normal"]);
    assertEquals(state.read<{ done: string[] }>("refill")?.done, ["node2"]);
  }));

Deno.test("Refill: what an old copy of a directory holds proves nothing, until all is filled", () =>
  inWorld(async (world) => {
    const { refill, state, requests, isFilled } = filling(world);
    await noteOldCopy(state);
    refill.start();
    assert(await isFilled());
    assertEquals(requests.map(({ leftovers }) => leftovers), [true]);
  }));

Deno.test("Refill: how far it is comes to the disk now and then, and never over a later loss", () =>
  inWorld(async (world) => {
    const { refill, state, requests } = filling(world, { complete: () => false });
    refill.start();
    await world.wait(10);
    const { onPage } = requests[0]!;
    const afterOf = () => state.read<{ after: object }>("refill")?.after;
    for (let page = 1; page < 40; page++) {
      assertEquals(await onPage(`k${page}`, COUNTS), true);
      assertEquals(afterOf(), page < 20 ? undefined : { node2: "k20" });
    }
    assertEquals(refill.progress().pulled, COUNTS.pulled, "pages tell of all before them");
    await refill.restart(7);
    assertEquals(await onPage("k40", COUNTS), false);
    assertEquals([notedLoss(state), afterOf()], [7, {}]);
    refill.stop();
  }));

Deno.test("Refill: a ring that grows at the very end of it is no end", () =>
  inWorld(async (world) => {
    let topology = topologyOf(2);
    const { refill, requests, isFilled } = filling(world, {
      topology: () => topology,
      onBeforeRefill: async () => {
        if (requests.length > 0) topology = topologyOf(3);
      },
    });
    refill.start();
    assert(await isFilled());
    assertEquals(requests.length, 2);
  }));

Deno.test("Refill: of a further member only what differs is compared, by hashes of now", () =>
  inWorld(async (world) => {
    const known = ["node2", "node3", "node4"].map((name) => member(name));
    const leaves = new Set([1]);
    const asked: unknown[] = [];
    const { refill, save, requests, isFilled } = filling(world, {
      known,
      saved: { done: ["node2"] },
      differing: (name, fresh) => {
        asked.push([name, fresh]);
        return Promise.resolve(name === "node3" ? leaves : undefined);
      },
    });
    await save();
    refill.start();
    assert(await isFilled());
    assertEquals(asked, [["node3", true], ["node4", true]]);
    assertEquals(requests.map(({ peerName, values }) => [peerName, values]), [["node3", false]]);
    assert(requests[0]!.leaves as unknown === leaves);
  }));

Deno.test("Refill: a member that has no time to compare is asked for everything", () =>
  inWorld(async (world) => {
    const known = ["node2", "node3"].map((name) => member(name));
    let asked = 0;
    const { refill, save, requests, isFilled } = filling(world, {
      known,
      saved: { done: ["node2"] },
      differing: () => {
        asked++;
        return Promise.reject(new ConvergeError("overloaded", "Not now"));
      },
    });
    await save();
    refill.start();
    assert(await isFilled());
    assertEquals([asked, requests.map(({ leaves }) => leaves)], [5, [undefined]]);
  }));

Deno.test("Refill: while others join, what former owners have is compared in no tree", () =>
  inWorld(async (world) => {
    const known = ["node2", "node3"].map((name) => member(name));
    const members = [member("node1"), ...known, member("node4", { status: "joining" })];
    const { refill, save, requests, isFilled } = filling(world, {
      known,
      saved: { done: ["node2"] },
      topology: () => topologyOf(0, { members }),
    });
    await save();
    refill.start();
    assert(await isFilled());
    assertEquals(requests.map(({ peerName, leaves }) => [peerName, leaves]), [[
      "node3",
      undefined,
    ]]);
  }));

Deno.test("Refill: who was not read to the end is read again; a node that stops reads no further page", () =>
  inWorld(async (world) => {
    let ends = 0;
    const { refill, requests, isFilled, gossip } = filling(world, { complete: () => ++ends > 1 });
    refill.start();
    assert(await isFilled());
    assertEquals(requests.length, 2);
    assertEquals(await requests[0]!.onPage("k", COUNTS), true);
    refill.stop();
    assertEquals(await requests[0]!.onPage("l", COUNTS), false);
    assertEquals(gossip.self.status, "normal");
  }));

Deno.test("Refill: waits as long as a member gives a request, be it one that leaves", () =>
  inWorld(async (world) => {
    const known = [member("node2"), member("x", { requestMs: 4_000 })];
    const { refill, gossip, requests } = filling(world, { known, topology: () => topologyOf(5) });
    gossip.remove("x", false);
    refill.start();
    await world.wait(3_900);
    assertEquals([gossip.pending.map(({ name }) => name), requests.length], [["x"], 0]);
    await world.wait(1_000);
    assert(requests.length > 0);
    refill.stop();
  }));

Deno.test("Refill.restart: writes may count on what was lost, so it waits for those under way, whoever owns what", () =>
  inWorld(async (world) => {
    const { refill, gossip, requests } = filling(world, { complete: () => false });
    const members = [gossip.self, member("node2")];
    gossip.receive({ from: "node2", members, settled: ["node1"] }, 0);
    refill.start();
    await world.wait(5_000);
    const before = requests.length;
    assert(before > 0);
    await refill.restart(7);
    await world.wait(900);
    assertEquals(requests.length, before);
    await world.wait(500);
    assert(requests.length > before);
    refill.stop();
  }));

Deno.test("SavedProgress: whom a node waits for, and that its directory is an old copy, outlive a new beginning", () => {
  const progress = new SavedProgress(new LocalState(new MemoryStore()));
  const kept = { isOldCopy: true, earlier: { lives: ["node5.1"], by: "node1.1" } };
  Object.assign(progress.saved, kept, { done: ["node2"] });
  progress.beginAnew("ring", 7);
  assertEquals(progress.saved, { ring: "ring", done: [], after: {}, loss: 7, ...kept });
});

Deno.test("Refill.restart: a node that joins counts for nothing yet, whatever it lost", () =>
  inWorld(async (world) => {
    const { refill, gossip } = filling(world, {
      status: "joining",
      known: [member("node2"), member("node3"), member("node4")],
    });
    await refill.restart(7);
    assertEquals(gossip.self.status, "joining");
    refill.stop();
  }));

Deno.test("Refill.restart: others are told at once, and all documents are written before the loss is noted", () =>
  inWorld(async (world) => {
    const store = new MemoryStore();
    const { refill, gossip, state, told, isFilled, requests } = filling(world, {
      status: "normal",
      store,
    });
    await state.write("document", 1);
    const apply = store.apply.bind(store);
    const written: string[][] = [];
    let isFull = true;
    store.apply = (mutations) => {
      written.push(mutations.map(({ record }) => record.key));
      if (isFull) return Promise.reject(new ConvergeError("disk_full", "Cannot write"));
      return apply(mutations);
    };
    await refill.restart(7);
    assertEquals([gossip.self.status, told], ["refilling", ["refilling"]]);
    assertEquals([written, requests.length], [[["document"]], 0]);
    isFull = false;
    assert(await isFilled());
    assertEquals(written.slice(1, 3), [["document"], ["refill"]]);
    assertEquals(requests.map(({ leftovers }) => leftovers), [true]);
  }));

Deno.test("Refill.restart: no progress is noted beside a loss before the documents are written again", () =>
  inWorld(async (world) => {
    const store = new MemoryStore();
    const { refill, state, save, requests } = filling(world, { store });
    await save();
    await state.write("document", 1);
    refill.start();
    const apply = store.apply.bind(store);
    store.apply = (mutations) =>
      mutations.some(({ record }) => record.key === "document")
        ? Promise.reject(new ConvergeError("corrupt_file", "Cannot read a table"))
        : apply(mutations);
    await refill.restart(7);
    await world.wait(5_000);
    assert(requests.length > 0);
    assertEquals(notedLoss(state), 0, "else what is gone would not be missed after a restart");
    refill.stop();
  }));

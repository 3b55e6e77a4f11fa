/** With whom a node compares, when, and what the two tell each other. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import { AntiEntropy } from "../../../src/replication/convergence/anti_entropy.ts";
import type {
  ExchangeRequest,
  KeyExchange,
} from "../../../src/replication/convergence/key_exchange.ts";
import { leafOf } from "../../../src/replication/convergence/merkle_tree.ts";
import type { PeerLink } from "../../../src/replication/peers/peer_link.ts";
import type { Topology } from "../../../src/replication/topology/topology.ts";
import { tokenOf } from "../../../src/ring/token.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { DATA } from "../../../src/storage/store.ts";
import { inWorld } from "../../support/in_world.ts";
import { member, removal } from "../../support/members.ts";
import { record } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

const INTERVAL_MS = 1_000;

/** One node, its store, and what it asks others to exchange. */
function sideOf(clock: Clock, topology: Topology, selfName = "node1") {
  const store = new MemoryStore();
  const links = new Map<string, Pick<PeerLink, "isOpen" | "request">>();
  const exchanges: ExchangeRequest[] = [];
  const catchingUp = new Set<string>();
  const hintsFor: string[] = [];
  const warnings: unknown[] = [];
  const now = { topology };
  const runs = { onPage: () => {}, goesOn: true };
  const run = async (request: ExchangeRequest) => {
    exchanges.push(request);
    runs.onPage();
    runs.goesOn = await request.onPage(undefined, { pulled: 0, pushed: 0, compared: 0 });
    return { pulled: 1, pushed: 2, compared: 3, complete: runs.goesOn };
  };
  const antiEntropy = new AntiEntropy({
    store,
    exchange: { run } as unknown as KeyExchange,
    clock,
    log: { info() {}, warn: (_event, fields) => void warnings.push(fields?.why), error() {} },
    selfName,
    topology: () => now.topology,
    linkTo: (name) => links.get(name) as PeerLink | undefined,
    keysUnderWay: () => [],
    isCatchingUp: (name) => catchingUp.has(name),
    deliverHints: (name) => void hintsFor.push(name),
    intervalMs: INTERVAL_MS,
  });
  const put = async (records: readonly StoredRecord[]) => {
    await store.apply(records.map((one) => ({ keyspace: DATA, record: one })));
    for (const { key } of records) antiEntropy.onStored(key);
  };
  return {
    ...{ store, links, exchanges, runs, catchingUp, now, antiEntropy, put },
    ...{ hintsFor, warnings },
  };
}

type Side = ReturnType<typeof sideOf>;

interface Question {
  ring: string;
  arcs?: number[];
  fresh?: boolean;
}

/** The link from one side to another, which answers as its routes do. */
function linkTo(other: Side, { from = "node1", answer = async () => {} } = {}) {
  const questions: Question[] = [];
  const link = {
    isOpen: false,
    request: async (_method: string, _path: string, { body }: { body?: Uint8Array } = {}) => {
      await answer();
      const question: Question = JSON.parse(new TextDecoder().decode(body));
      questions.push(question);
      const { ring, arcs, fresh } = question;
      const hashes = arcs === undefined
        ? await other.antiEntropy.arcHashes(from, ring, fresh)
        : await other.antiEntropy.leafHashes(arcs, ring, fresh);
      return { body: new TextEncoder().encode(JSON.stringify(hashes)) };
    },
  } as unknown as Pick<PeerLink, "isOpen" | "request">;
  return { link, questions };
}

function recordsOf(count: number): StoredRecord[] {
  return Array.from({ length: count }, (_, i) => record(`k${i}`, i + 1));
}

Deno.test("AntiEntropy: two that differ in some keys find the leaves of these, and no others", () =>
  inWorld(async ({ clock }) => {
    const topology = topologyOf(3, { virtualNodes: 8 });
    const [one, two] = [sideOf(clock, topology), sideOf(clock, topology, "node2")];
    const records = recordsOf(300);
    await one.put(records);
    await two.put(records);
    const { link, questions } = linkTo(two);
    one.links.set("node2", link);
    assertEquals(await one.antiEntropy.compareWith("node2"), { pulled: 0, pushed: 0, compared: 0 });
    assertEquals([one.exchanges.length, one.antiEntropy.counts.roundsEqual], [0, 1]);
    const news = [record("here", 1_000), record("newer", 1_001), record("k7", 1_002)];
    await one.put(news.slice(0, 1));
    await two.put(news.slice(1));
    await one.antiEntropy.compareWith("node2");
    const [{ leaves, values }] = one.exchanges as [ExchangeRequest];
    const leafOfKey = ({ key }: StoredRecord) => {
      const token = tokenOf(key);
      return leafOf(topology.ring.arcOf(token)!.index, token);
    };
    const expected = [...new Set(news.map(leafOfKey))].sort((a, b) => a - b);
    assertEquals([leaves!.size, values], [expected.length, false]);
    assert(expected.every((leaf) => leaves!.has(leaf)));
    questions.length = 0;
    await one.antiEntropy.differing("node2", link as PeerLink, topology, true);
    assertEquals(questions.map(({ fresh }) => fresh), [true, true]);
  }));

Deno.test("AntiEntropy: all that are filled and answer have their turn, one in an interval, after a first one at once", () =>
  inWorld(async ({ clock, wait }) => {
    const members = ["node1", "node2", "node3", "node4", "node5"].map((name) => member(name));
    const topology = topologyOf(0, {
      members: members.map((one) =>
        one.name === "node5" ? { ...one, status: "refilling" as const } : one
      ),
    });
    const side = sideOf(clock, topology);
    const asked: string[] = [];
    for (const { name } of members.slice(1)) {
      const { link } = linkTo(sideOf(clock, topology, name), {
        answer: async () => void asked.push(name.at(-1)!),
      });
      side.links.set(name, name === "node4" ? { ...link, isOpen: true } : link);
    }
    side.antiEntropy.start();
    await wait(INTERVAL_MS / 2);
    assertEquals(asked.join(""), "23");
    await wait(4 * INTERVAL_MS);
    assertEquals(asked.join(""), "232323");
    side.now.topology = topologyOf(0, { members });
    side.antiEntropy.onMembersChanged();
    await wait(1);
    assertEquals(asked.join(""), "2323235", "somebody is filled by now");
    const self = member("node1", { status: "refilling" });
    side.now.topology = topologyOf(0, { members: [self, ...members.slice(1)] });
    await wait(3 * INTERVAL_MS);
    assertEquals(asked.join(""), "2323235", "not while this node is being filled itself");
    side.antiEntropy.stop();
  }));

Deno.test("AntiEntropy: whom hints are bringing what it lacks is compared with after that, and others meanwhile", () =>
  inWorld(async ({ clock, wait }) => {
    const topology = topologyOf(3);
    const side = sideOf(clock, topology);
    const asked: string[] = [];
    for (const name of ["node2", "node3"]) {
      const answer = async () => void asked.push(name.at(-1)!);
      side.links.set(name, linkTo(sideOf(clock, topology, name), { answer }).link);
    }
    side.catchingUp.add("node2");
    side.antiEntropy.start();
    await wait(2.5 * INTERVAL_MS);
    assertEquals(asked.join(""), "333");
    side.catchingUp.add("node3");
    await wait(3 * INTERVAL_MS);
    assertEquals([asked.join(""), side.antiEntropy.counts.roundsPutOff], ["333", 3]);
    side.catchingUp.clear();
    await wait(INTERVAL_MS);
    assertEquals([asked.join(""), side.antiEntropy.counts.roundsFailed], ["3332", 0]);
    side.antiEntropy.stop();
  }));

Deno.test("AntiEntropy: who is sent many hints compares a second after the last of them", () =>
  inWorld(async ({ clock, wait }) => {
    const topology = topologyOf(2);
    const side = sideOf(clock, topology);
    const asked: number[] = [];
    const answer = async () => void asked.push(clock.monotonicMs());
    side.links.set("node2", linkTo(sideOf(clock, topology, "node2"), { answer }).link);
    side.antiEntropy.onMoreHints("node2");
    side.antiEntropy.start();
    await wait(900);
    side.antiEntropy.onMoreHints("node2");
    await wait(900);
    assertEquals(asked, []);
    await wait(300);
    assertEquals(asked.length, 1);
    side.antiEntropy.stop();
  }));

Deno.test("AntiEntropy: an exchange ends when hints come, and what they do not bring is found soon after them", () =>
  inWorld(async ({ clock, wait }) => {
    const topology = topologyOf(3);
    const side = sideOf(clock, topology);
    const three = sideOf(clock, topology, "node3");
    await three.put(recordsOf(1));
    for (const [name, other] of [["node2", side], ["node3", three]] as const) {
      side.links.set(name, linkTo(other).link);
    }
    side.runs.onPage = () => void side.catchingUp.add("node3");
    side.antiEntropy.start();
    await wait(INTERVAL_MS / 2);
    assertEquals([side.exchanges.length, side.runs.goesOn], [1, false]);
    side.runs.onPage = () => {};
    side.catchingUp.clear();
    await wait(INTERVAL_MS);
    assertEquals([side.exchanges.length, side.runs.goesOn], [2, true]);
    await wait(INTERVAL_MS);
    assertEquals(side.exchanges.length, 2, "and others have their turn then");
    side.antiEntropy.stop();
  }));

Deno.test("AntiEntropy: one that is urgent and fails is tried again after a second, not at once", () =>
  inWorld(async ({ clock, wait }) => {
    const side = sideOf(clock, topologyOf(2));
    let asked = 0;
    const fails = () => {
      asked++;
      throw new ConvergeError("overloaded", "Not now");
    };
    side.links.set("node2", linkTo(sideOf(clock, topologyOf(2), "node2"), { answer: fails }).link);
    side.antiEntropy.start();
    await wait(5_500);
    assertEquals([asked, side.antiEntropy.counts.roundsFailed], [6, 6]);
    side.antiEntropy.stop();
    await wait(5_000);
    assertEquals(asked, 6);
  }));

Deno.test("AntiEntropy: a round that takes long is followed by a rest ten times as long", () =>
  inWorld(async ({ clock, wait }) => {
    const topology = topologyOf(2);
    const side = sideOf(clock, topology);
    const asked: number[] = [];
    const answer = async () => {
      asked.push(Math.round(clock.monotonicMs() / 1_000));
      await wait(1_000);
    };
    side.links.set("node2", linkTo(sideOf(clock, topology, "node2"), { answer }).link);
    side.antiEntropy.start();
    await wait(24_000);
    assertEquals(asked, [0, 11, 22]);
    side.antiEntropy.stop();
  }));

Deno.test("AntiEntropy: an exchange ends with another ring, and with the node", () =>
  inWorld(async ({ clock }) => {
    const topology = topologyOf(2);
    const [one, two] = [sideOf(clock, topology), sideOf(clock, topology, "node2")];
    await two.put(recordsOf(1));
    one.links.set("node2", linkTo(two).link);
    await one.antiEntropy.compareWith("node2");
    const goesOn = () => one.exchanges[0]!.onPage(undefined, { pulled: 0, pushed: 0, compared: 0 });
    assertEquals(goesOn(), true);
    one.now.topology = topologyOf(3);
    assertEquals(goesOn(), false);
    one.now.topology = topology;
    assertEquals(goesOn(), true);
    one.antiEntropy.stop();
    assertEquals(goesOn(), false);
  }));

Deno.test("AntiEntropy: hashes are of what is there, also after data was lost; a node that stops has none", () =>
  inWorld(async ({ clock }) => {
    const topology = topologyOf(2);
    const { antiEntropy, store, put } = sideOf(clock, topology);
    const [first, ...more] = recordsOf(10);
    const hashes = () => antiEntropy.arcHashes("node2", topology.fingerprint, true);
    await put([first!]);
    const before = await hashes();
    await put(more);
    assert(JSON.stringify(await hashes()) !== JSON.stringify(before), "what was stored since");
    // As with a damaged table: nobody erased it.
    await store.apply(more.map((one) => ({ keyspace: DATA, record: one, erase: true })));
    antiEntropy.onDataLost();
    assertEquals(await hashes(), before);
    antiEntropy.stop();
    const error = await assertRejects(hashes, ConvergeError);
    assertEquals(error.code, "closed");
  }));

Deno.test("AntiEntropy.leafHashes(): of arcs of the ring, no more than it has", () =>
  inWorld(async ({ clock }) => {
    const topology = topologyOf(2, { virtualNodes: 2 });
    const { antiEntropy } = sideOf(clock, topology);
    const { length } = topology.ring.arcs;
    const ask = (arcs: number[]) => antiEntropy.leafHashes(arcs, topology.fingerprint);
    assertEquals((await ask([0, length - 1])).length, 2 * 64);
    for (const arcs of [[-1], [length], new Array(length + 1).fill(0)]) {
      const error = await assertRejects(() => ask(arcs), ConvergeError);
      assertEquals(error.code, "corrupt_message");
    }
  }));

Deno.test("AntiEntropy.arcHashes(): of arcs that both own, not of what one of them still takes over", () =>
  inWorld(async ({ clock }) => {
    const calm = topologyOf(4, { virtualNodes: 8 });
    const arcsOf = async (topology: Topology) => {
      const { antiEntropy } = sideOf(clock, topology);
      return Object.keys(await antiEntropy.arcHashes("node2", topology.fingerprint)).map(Number);
    };
    const owned = calm.ring.arcs.filter(({ owners }) =>
      owners.includes("node1") && owners.includes("node2")
    ).map(({ index }) => index);
    assert(owned.length < calm.ring.arcs.length);
    assertEquals(await arcsOf(calm), owned);
    const done = { removals: { "node5.1": "done" } } as const;
    for (const late of ["node1", "node2"]) {
      const members = calm.members.map((one) => one.name === late ? one : { ...one, ...done });
      const pending = [removal("node5")];
      const settled = ["node1", "node2", "node3", "node4", "node5"];
      const topology = topologyOf(0, { members, pending, settled, virtualNodes: 8 });
      const gained = new Set(topology.arcsToTakeOver(late));
      assert(owned.some((arc) => gained.has(arc)));
      assertEquals(await arcsOf(topology), owned.filter((arc) => !gained.has(arc)), late);
    }
  }));

Deno.test("AntiEntropy: with another ring it lets go of the snapshot of the one before", () =>
  inWorld(async ({ clock }) => {
    const { antiEntropy, store, now } = sideOf(clock, topologyOf(2));
    const open = new Set<unknown>();
    const snapshot = store.snapshot.bind(store);
    store.snapshot = () => {
      const taken = snapshot();
      const close = taken.close.bind(taken);
      open.add(taken);
      taken.close = () => {
        open.delete(taken);
        close();
      };
      return taken;
    };
    for (const count of [2, 3, 2, 3]) {
      now.topology = topologyOf(count);
      await antiEntropy.arcHashes("node2", now.topology.fingerprint);
      assertEquals(open.size, 1);
    }
    antiEntropy.stop();
    assertEquals(open.size, 0);
  }));

Deno.test("AntiEntropy: hashes that take long are not waited for, and old ones are not given for them", () =>
  inWorld(async ({ clock, wait }) => {
    // Each turn that others get takes 20 ms: there is much to do.
    const busy: Clock = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      clearTimer: (timer) => clock.clearTimer(timer),
      setTimer: (delayMs, callback) => clock.setTimer(Math.max(20, delayMs), callback),
    };
    const topology = topologyOf(2);
    const { antiEntropy, put } = sideOf(busy, topology);
    await put(recordsOf(8_000));
    const ask = () => antiEntropy.arcHashes("node2", topology.fingerprint, true);
    const error = await assertRejects(ask, ConvergeError);
    assertEquals(error.code, "overloaded");
    await wait(2_000);
    const hashes = await ask();
    assert(Object.values(hashes).some((hash) => hash !== Object.values(hashes)[0]));
  }));

Deno.test("AntiEntropy.arcHashes(): who compares in its turn is sent the hints that wait for it, who wants fresh ones has its own", () =>
  inWorld(async ({ clock }) => {
    const topology = topologyOf(2);
    const { antiEntropy, hintsFor } = sideOf(clock, topology);
    await antiEntropy.arcHashes("node2", topology.fingerprint, true);
    assertEquals(hintsFor, []);
    await antiEntropy.arcHashes("node2", topology.fingerprint);
    assertEquals(hintsFor, ["node2"]);
  }));

Deno.test("AntiEntropy.compareWith(): nobody is asked who does not answer, or is no member", () =>
  inWorld(async ({ clock }) => {
    const topology = topologyOf(2);
    const side = sideOf(clock, topology);
    const { link, questions } = linkTo(sideOf(clock, topology, "node2"));
    side.links.set("node2", { ...link, isOpen: true });
    for (const name of ["node2", "node9"]) {
      const error = await assertRejects(() => side.antiEntropy.compareWith(name), ConvergeError);
      assertEquals(error.code, "unreachable");
    }
    assertEquals(questions, []);
  }));

Deno.test("AntiEntropy: a difference that is gone when it is looked for is none, and a failure that does not pass is told of, not each time", () =>
  inWorld(async ({ clock, wait }) => {
    const topology = topologyOf(2);
    const [one, two] = [sideOf(clock, topology), sideOf(clock, topology, "node2")];
    await one.put(recordsOf(1));
    const { link } = linkTo(two, {
      // It has come by another way before the second question.
      answer: async () => void (asked++ === 1 && await two.put(recordsOf(1))),
    });
    let asked = 0;
    one.links.set("node2", link);
    await one.antiEntropy.compareWith("node2");
    assertEquals([asked, one.exchanges.length, one.antiEntropy.counts.roundsEqual], [2, 0, 1]);
    for (const code of ["timeout", "corrupt_message"] as const) {
      const fail = () => Promise.reject(new ConvergeError(code, "Cannot answer"));
      one.links.set("node2", { ...link, request: fail });
      one.antiEntropy.start();
      await wait(5 * INTERVAL_MS);
      assertEquals(one.warnings.length, code === "timeout" ? 0 : 1, code);
    }
    assert(one.antiEntropy.counts.roundsFailed > 4);
    one.antiEntropy.stop();
  }));

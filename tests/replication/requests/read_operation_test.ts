/** When a read waits, for whom, and how long. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import type { PeerReply, PendingRead } from "../../../src/replication/peers/pending.ts";
import type { WriteAnswer, WriteWaiter } from "../../../src/replication/quorum/write_core.ts";
import type { CoordinatorContext } from "../../../src/replication/requests/coordinator_context.ts";
import { DeadlineQueue } from "../../../src/replication/requests/deadline_queue.ts";
import { ReadOperation } from "../../../src/replication/requests/read_operation.ts";
import type { Receipt } from "../../../src/replication/requests/receipt.ts";
import { LamportClock } from "../../../src/replication/state/lamport_clock.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { type Owner, ownerSet } from "../../../src/replication/topology/owner.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { InProcessCluster } from "../../support/in_process_cluster.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { member } from "../../support/members.ts";
import { problemOf } from "../../support/problems.ts";
import { keyOf, record } from "../../support/records.ts";

/** Counts the questions that a node is asked. */
function countQuestions(cluster: InProcessCluster, nodes: readonly number[]): () => number {
  let questions = 0;
  for (const i of nodes) {
    const { origin, life, process } = cluster.node(i);
    cluster.world.network.listen(origin, life!, async (request) => {
      if (request.url.endsWith("/internal/read")) {
        questions += (await request.clone().text()).trimEnd().split("\n").length;
      }
      return process!.app.fetch(request);
    });
  }
  return () => questions;
}

Deno.test("a read for which this node's own copy is enough is answered in the same turn", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    const { app } = cluster.node(1).process!;
    const answer = app.fetch(new Request("http://x/kv/k?r=1"));
    assert(!(answer instanceof Promise), "it waited");
    assertEquals(await answer.text(), "v");
    const missing = app.fetch(new Request("http://x/kv/none?r=1"));
    assert(!(missing instanceof Promise), "it waited");
    await problemOf(missing, 404, "not-found");
  }));

Deno.test("reads that wait for nobody do not make others count as late", () =>
  InProcessCluster.run({ config: { requestTimeoutMs: 5_000 } }, async (cluster) => {
    const questions = countQuestions(cluster, [2, 3]);
    for (const i of [2, 3]) cluster.slow(i, 20);
    for (let i = 0; i < 6_000; i++) await cluster.get(1, "k?r=1");
    assertEquals(questions(), 0);
    await Promise.all(Array.from({ length: 50 }, (_, i) => cluster.get(1, `k${i}`)));
    assertEquals(questions(), 50);
  }));

Deno.test("where one owner refuses another is asked at once, however many reads that is true for", () =>
  InProcessCluster.run({}, async (cluster) => {
    await cluster.put(1, "k", "v");
    cluster.slow(3, 2); // node2 is the one to ask
    const { origin, life, process } = cluster.node(2);
    let refused = 0;
    cluster.world.network.listen(origin, life!, (request) => {
      if (!request.url.endsWith("/internal/read")) return process!.app.fetch(request);
      refused++;
      return new Response(null, { status: 503 });
    });
    // More than there are hedges to spend.
    for (let i = 0; i < 500; i++) assertEquals(await cluster.get(1, "k"), "v");
    assert(refused >= 400, `${refused} questions were refused`);
  }));

Deno.test("where one owner does not take a repair another is asked at once, as where it refuses to answer", () =>
  InProcessCluster.run({ config: { antiEntropyIntervalMs: 1e9 } }, async (cluster) => {
    cluster.slow(3, 2); // node2 is the one to ask
    const reads = 500; // more than there are hedges to spend
    const keys = Array.from({ length: reads }, (_, i) => `k${i}`);
    for (const i of [1, 3]) {
      await Promise.all(keys.map((key) => cluster.plant(i, record(key, 1, { value: "v" }))));
    }
    const { origin, life, process } = cluster.node(2);
    cluster.world.network.listen(origin, life!, (request) => {
      const isWrite = request.url.endsWith("/internal/kv");
      return isWrite ? new Response(null, { status: 507 }) : process!.app.fetch(request);
    });
    for (const key of keys) assertEquals(await cluster.get(1, key), "v");
    assertEquals(await cluster.copy(2, keys[0]!), undefined);
  }));

Deno.test("another owner is asked once a read is late beside those of late", () =>
  InProcessCluster.run({}, async (cluster) => {
    cluster.slow(3, 2); // node2 is the one to ask
    const readMs = async () => {
      const startMs = cluster.world.time.nowMs;
      await cluster.get(1, "k");
      return cluster.world.time.nowMs - startMs;
    };
    for (let i = 0; i < 40; i++) await Promise.all(Array.from({ length: 50 }, readMs));
    cluster.slow(2, 400);
    const tookMs = await readMs();
    assert(tookMs >= 10 && tookMs < 60, `${tookMs} ms; it was asked after the upper bound`);
  }));

Deno.test("a read's deadline counts from its start, also where it is shorter than the wait for late answers", () =>
  InProcessCluster.run({ config: { requestTimeoutMs: 60 } }, async (cluster) => {
    for (const i of [2, 3]) cluster.slow(i, 10_000);
    const startMs = cluster.world.time.nowMs;
    await problemOf(await cluster.call(1, "GET", "/kv/k"), 503, "quorum-unreachable");
    const tookMs = cluster.world.time.nowMs - startMs;
    assert(tookMs >= 60 && tookMs <= 75, `${tookMs} ms`);
  }));

const HEDGE_MS = 100;
const TIMEOUT_MS = 2_000;

function owner(name: string, changes: Partial<Owner> = {}): Owner {
  const counts = { countsForWrites: true, countsForReads: true };
  return { name, member: member(name), isSelf: name === "a", ...counts, ...changes };
}

/** A read of one key from `owners`, R of 2, which peers answer when the test says so; `b` is the quickest. */
async function reading(
  { clock }: InWorld,
  { own, owners = [owner("a"), owner("b"), owner("c")], tries = 100, copied = "stored", ...more }: {
    own?: StoredRecord;
    get?: () => StoredRecord | undefined;
    owners?: readonly Owner[];
    tries?: number;
    copied?: WriteAnswer;
    /** What peers answer to a read that wants a receipt; others never do. */
    located?: Readonly<Record<string, PeerReply>> | undefined;
  } = {},
) {
  const asked: { name: string; pending: PendingRead }[] = [];
  const repairs: { name: string; record: StoredRecord; answer(answer: WriteAnswer): void }[] = [];
  const copies: { name: string; fence: number | undefined }[] = [];
  const ended = { read: 0, failed: 0 };
  const gone = new Set<string>();
  const lamport = await LamportClock.open(new LocalState(new MemoryStore()), 0);
  const given = tries;
  const write = (name: string) => (record: StoredRecord, waiter: WriteWaiter, slot: number) => {
    const answer = (said: WriteAnswer) => waiter.onWriteAnswer(slot, said, clock.monotonicMs());
    repairs.push({ name, record, answer });
  };
  const copy = (name: string) => (_: readonly StoredRecord[], fence: number | undefined) => {
    copies.push({ name, fence });
    return Promise.resolve([copied]);
  };
  const context = {
    clock,
    lamport,
    deadlines: new DeadlineQueue(clock, TIMEOUT_MS),
    hedges: new DeadlineQueue(clock, HEDGE_MS),
    retries: { take: () => tries-- > 0 },
    replica: { get: more.get ?? (() => own), write: write("a"), apply: copy("a") },
    linkTo: (name: string) =>
      gone.has(name) ? undefined : ({
        read: (pending: PendingRead) => void asked.push({ name, pending }),
        readLocated: () => {
          const reply = more.located?.[name];
          return reply === undefined ? new Promise(() => {}) : Promise.resolve({ reply });
        },
        write: write(name),
        writeCopies: copy(name),
      }),
    locate: () => "memtable",
    selfName: "a",
    quorums: () => ({ n: 3, r: 2, w: 2 }),
    costOf: ({ name }: Owner) => name.charCodeAt(0), // in order of names
    onRead: () => void ended.read++,
    onReadFailed: () => void ended.failed++,
    onRepair() {},
  } as unknown as CoordinatorContext;
  const request = {
    key: keyOf("k"),
    quorum: 2,
    set: ownerSet(owners),
    askAll: more.located !== undefined,
  };
  const answer = (name: string, reply: PeerReply, time = 1) => {
    const { pending } = asked.filter((one) => one.name === name)[time - 1]!;
    pending.waiter.onReadReply(pending.slot, reply, clock.monotonicMs());
  };
  return {
    run: () => Promise.resolve(new ReadOperation(context, request).run()),
    names: () => asked.map(({ name }) => name),
    triesTaken: () => given - tries,
    ...{ answer, asked, repairs, copies, ended, gone, lamport },
  };
}

const OLD = record("k", 1);
const NEW = record("k", 9);

Deno.test("ReadOperation: asks as few as it needs, another one where one refuses, the others where one is late", () =>
  inWorld(async (world) => {
    const { run, names, answer, ended, triesTaken } = await reading(world, { own: OLD });
    const read = run();
    assertEquals(names(), ["b"]);
    answer("b", "overloaded");
    assertEquals(names(), ["b", "c"]);
    answer("c", "same");
    assertEquals((await read).record, OLD);
    await world.wait(TIMEOUT_MS + 10);
    assertEquals([ended, triesTaken()], [{ read: 1, failed: 0 }, 0], "it waits for nothing more");
    const owners = [owner("a"), owner("b"), owner("c"), owner("d")];
    const late = await reading(world, { own: OLD, owners });
    const hedged = late.run();
    await world.wait(HEDGE_MS + 10);
    assertEquals([late.names(), late.triesTaken()], [["b", "c", "d"], 1]);
    late.answer("c", "same");
    assertEquals((await hedged).record, OLD);
  }));

Deno.test("ReadOperation: asks nobody twice without a budget, and fails when its own time is over", () =>
  inWorld(async (world) => {
    const { run, names, ended, answer } = await reading(world, { own: OLD, tries: 0 });
    const startMs = world.clock.monotonicMs();
    const read = run();
    read.catch(() => {});
    await world.wait(HEDGE_MS + 10);
    assertEquals(names(), ["b"]);
    const error = await assertRejects(() => read, ConvergeError);
    assertEquals(error.code, "quorum_unreachable");
    assert(world.clock.monotonicMs() - startMs < TIMEOUT_MS + HEDGE_MS / 2);
    answer("b", "same");
    assertEquals(ended, { read: 0, failed: 1 });
  }));

Deno.test("ReadOperation: the newest of all answers is repaired onto R owners, and counted from", () =>
  inWorld(async (world) => {
    const { run, answer, names, repairs, lamport } = await reading(world, { own: OLD });
    const read = run();
    await world.wait(HEDGE_MS + 10);
    assertEquals(names(), ["b", "c"]);
    answer("c", NEW);
    assertEquals(repairs.map(({ name, record }) => [name, record]), [["a", NEW]]);
    answer("b", record("k", 4, { nodeID: "c.1" }));
    assertEquals(repairs.map(({ name, record }) => [name, record]), [["a", NEW], ["b", NEW]]);
    assertEquals(lamport.current, 9);
    repairs[1]!.answer("stored");
    assertEquals((await read).record, NEW);
  }));

Deno.test("ReadOperation: what comes after its end does not change what it has read", () =>
  inWorld(async (world) => {
    const { run, answer } = await reading(world, { own: OLD });
    const read = run();
    await world.wait(HEDGE_MS + 10);
    answer("b", "same");
    answer("c", NEW); // on one owner: the next read need not find it
    assertEquals((await read).record, OLD);
  }));

Deno.test("ReadOperation: who does not take a repair is made up for by another owner", () =>
  inWorld(async (world) => {
    const { run, answer, names, repairs } = await reading(world, { own: OLD });
    const read = run();
    answer("b", NEW);
    repairs[0]!.answer("overloaded");
    assertEquals(names(), ["b", "c"]);
    answer("c", NEW);
    assertEquals((await read).record, NEW);
  }));

Deno.test("ReadOperation: so is an owner that is a member no more when it is to be repaired", () =>
  inWorld(async (world) => {
    const { run, answer, names, gone } = await reading(world, { own: NEW });
    const read = run();
    gone.add("b");
    answer("b", OLD);
    assertEquals(names(), ["b", "c"]);
    answer("c", "same");
    assertEquals((await read).record, NEW);
  }));

Deno.test("ReadOperation: where a repair was below the horizon all is read anew, and then it is believed", () =>
  inWorld(async (world) => {
    const { run, answer, names, repairs, copies } = await reading(world, {
      owners: [owner("b"), owner("c"), owner("d")],
    });
    const read = run();
    answer("b", OLD);
    answer("c", "absent");
    repairs[0]!.answer({ horizon: 5 });
    assertEquals(names(), ["b", "c", "b", "c"]);
    answer("b", OLD, 1);
    answer("c", "absent", 1);
    assertEquals(copies, [], "that was read before the horizon was known");
    answer("b", OLD, 2);
    answer("c", "absent", 2);
    assertEquals(copies, [{ name: "c", fence: 5 }]);
    assertEquals((await read).record, OLD);
    const gone = await reading(world, { owners: [owner("b"), owner("c"), owner("d")] });
    const second = gone.run();
    gone.answer("b", OLD);
    gone.answer("c", "absent");
    gone.repairs[0]!.answer({ horizon: 5 });
    gone.answer("b", "absent", 2);
    gone.answer("c", "absent", 2);
    assertEquals((await second).record, undefined, "it was a leftover");
  }));

Deno.test("ReadOperation: this node's own copy is believed below its horizon by the same rule", () =>
  inWorld(async (world) => {
    const { run, answer, repairs, copies } = await reading(world);
    const read = run();
    answer("b", OLD);
    assertEquals(repairs.map(({ name }) => name), ["a"]);
    repairs[0]!.answer({ horizon: 5 });
    answer("b", OLD, 2);
    assertEquals(copies, [{ name: "a", fence: 5 }]);
    assertEquals((await read).record, OLD);
  }));

Deno.test("ReadOperation: where its own copy cannot be read as many peers are asked at once as it takes", () =>
  inWorld(async (world) => {
    const get = () => {
      throw new ConvergeError("corrupt_file", "Cannot read a block");
    };
    const { run, names, answer } = await reading(world, { get });
    const read = run();
    assertEquals(names(), ["b", "c"]);
    answer("b", NEW);
    answer("c", NEW);
    assertEquals((await read).record, NEW);
  }));

Deno.test("ReadOperation: does not begin anew for ever", () =>
  inWorld(async (world) => {
    const owners = [owner("b"), owner("c"), owner("d")];
    const { run, answer, names, repairs, ended } = await reading(world, {
      owners,
      copied: { horizon: 9 }, // it collects again and again
    });
    const read = run();
    read.catch(() => {});
    for (let time = 1; time <= 4; time++) {
      answer("b", OLD, time);
      answer("c", "absent", time);
      if (time === 1) repairs[0]!.answer({ horizon: 5 });
      await world.wait(1);
    }
    await assertRejects(() => read, ConvergeError);
    assertEquals([names().length, ended.failed], [8, 1]);
  }));

Deno.test("ReadOperation: its own copy that does not count is shown first, and shows no leftover", () =>
  inWorld(async (world) => {
    const own = record("k", 1);
    const self = owner("a", { countsForReads: false });
    const { run, answer, asked, names, repairs } = await reading(world, {
      own,
      owners: [self, owner("b"), owner("c")],
    });
    const read = run();
    assertEquals(names(), ["b", "c"], "two that count");
    answer("b", "absent");
    answer("c", "absent");
    assertEquals(repairs.map(({ name }) => name), ["b", "c"]);
    repairs[0]!.answer({ horizon: 5 });
    assertEquals(asked.map(({ pending }) => pending.have), [own, own, undefined, undefined]);
    answer("b", "absent", 2);
    answer("c", "absent", 2);
    assertEquals((await read).record, undefined);
    const gaining = [{ ...self, gaining: "refilling" as const }, owner("b"), owner("c")];
    const other = await reading(world, { own, owners: gaining });
    const second = other.run();
    other.answer("b", "absent");
    other.answer("c", "absent");
    assertEquals((await second).record, undefined, "where it gains the arc it may be a leftover");
  }));

Deno.test("ReadOperation: an owner that gains the arc, or was never heard of, is not asked", () =>
  inWorld(async (world) => {
    const countsForReads = false;
    const owners = [
      owner("a1", { gaining: "refilling", countsForReads }),
      owner("a2", { member: undefined, countsForReads }),
      owner("b", { countsForReads }),
      owner("d"),
      owner("e"),
    ];
    const { run, answer, names } = await reading(world, { owners });
    const read = run();
    assertEquals(names(), ["b", "d", "e"], "two that count");
    answer("d", "absent");
    answer("e", "absent");
    await read;
  }));

Deno.test("ReadOperation: it is overloaded only where an owner that counts is", () =>
  inWorld(async (world) => {
    for (const countsForReads of [true, false]) {
      const owners = [owner("a"), owner("b", { countsForReads }), owner("c")];
      const { run, answer } = await reading(world, { own: OLD, owners });
      const read = run();
      read.catch(() => {});
      answer("b", "overloaded");
      answer("c", "refused");
      const error = await assertRejects(() => read, ConvergeError);
      assertEquals(error.code, countsForReads ? "overloaded" : "quorum_unreachable");
    }
  }));

Deno.test("ReadOperation: with a receipt it waits for all, but at its deadline is answered by R; who owes an answer is late", () =>
  inWorld(async (world) => {
    const { run, ended } = await reading(world, { own: OLD, located: { b: "same" } });
    const read = run();
    await world.wait(TIMEOUT_MS - 10);
    assertEquals(ended, { read: 0, failed: 0 });
    await world.wait(20);
    assertEquals(ended, { read: 1, failed: 0 });
    const { record, receipt } = await read.then((result) => ({
      record: result.record,
      receipt: result.receipt(),
    }));
    assertEquals([record, receipt.result], [OLD, "answered"]);
    assertEquals(outcomesOf(receipt), ["found", "found", "timeout"]);
  }));

Deno.test("ReadOperation: where it fails at its deadline, who owes an answer is late, and who was not asked is not", () =>
  inWorld(async (world) => {
    for (const located of [undefined, {}]) {
      const { run } = await reading(world, { own: OLD, tries: 0, located });
      const read = run();
      read.catch(() => {});
      const { code, details } = await assertRejects(() => read, ConvergeError);
      assertEquals([code, details.result], ["quorum_unreachable", "failed"]);
      const third = located === undefined ? "not asked" : "timeout";
      assertEquals(outcomesOf(details as unknown as Receipt), ["found", "timeout", third]);
    }
  }));

const outcomesOf = ({ owners }: Receipt) => owners.map(({ outcome }) => outcome);

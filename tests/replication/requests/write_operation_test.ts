/** One write: whom it tells, when it tries again, whom it leaves hints for. No cluster, no network. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { StoredRecord } from "../../../src/record/record.ts";
import type { WriteAnswer, WriteWaiter } from "../../../src/replication/quorum/write_core.ts";
import type { CoordinatorContext } from "../../../src/replication/requests/coordinator_context.ts";
import { DeadlineQueue } from "../../../src/replication/requests/deadline_queue.ts";
import { WriteOperation } from "../../../src/replication/requests/write_operation.ts";
import { LamportClock } from "../../../src/replication/state/lamport_clock.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import { type Owner, ownerSet } from "../../../src/replication/topology/owner.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { member } from "../../support/members.ts";
import { bytesOf, keyOf, version } from "../../support/records.ts";

const TIMEOUT_MS = 2_000;

function owner(name: string, changes: Partial<Owner> = {}): Owner {
  const counts = { countsForWrites: true, countsForReads: true };
  return { name, member: member(name), isSelf: name === "a", ...counts, ...changes };
}

/** What an owner is asked to store, and the way to answer. */
interface Asked {
  name: string;
  record: StoredRecord;
  answer(answer: WriteAnswer): void;
}

/** A write of one key to `owners`, W of 2; by name, what an owner answers at once. */
async function writing(
  { clock }: InWorld,
  { owners = [owner("a"), owner("b"), owner("c")], atOnce = () => undefined, tries = 100, ...more }:
    {
      owners?: readonly Owner[];
      atOnce?: (name: string, attempt: number) => WriteAnswer | undefined;
      tries?: number;
      lamport?: LamportClock;
    } = {},
) {
  const asked: Asked[] = [];
  const hints: string[] = [];
  const ended = { written: 0, failed: 0 };
  const lamport = more.lamport ?? await LamportClock.open(new LocalState(new MemoryStore()), 0);
  const send = (name: string) => (record: StoredRecord, waiter: WriteWaiter, slot: number) => {
    const answer = (said: WriteAnswer) => waiter.onWriteAnswer(slot, said, clock.monotonicMs());
    asked.push({ name, record, answer });
    const attempt = asked.filter((one) => one.name === name).length;
    const said = atOnce(name, attempt);
    if (said !== undefined) answer(said);
  };
  const deadlines = new DeadlineQueue(clock, TIMEOUT_MS);
  const context = {
    clock,
    lamport,
    deadlines,
    nodeID: "a.1",
    random: { next: () => 0.5 },
    retries: { take: () => tries-- > 0 },
    replica: { write: send("a") },
    linkTo: (name: string) => ({ write: send(name) }),
    hints: { add: (name: string) => void hints.push(name) },
    quorums: () => ({ n: 3, r: 2, w: 2 }),
    onWritten: () => void ended.written++,
    onWriteFailed: () => void ended.failed++,
    fsynced: true,
  } as unknown as CoordinatorContext;
  const run = (explain = false) =>
    new WriteOperation(context, {
      key: keyOf("k"),
      value: bytesOf("v"),
      contentType: undefined,
      expiresAtMs: 0,
      quorum: 2,
      set: ownerSet(owners),
      explain,
    }).run();
  const answer = (name: string, said: WriteAnswer, attempt = 1) =>
    asked.filter((one) => one.name === name)[attempt - 1]!.answer(said);
  return { run, answer, asked, hints, ended, deadlines };
}

async function refusalOf(write: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => write, ConvergeError)).code;
}

Deno.test("WriteOperation: an owner that does not have it gets a hint once all is known, once, and no other", () =>
  inWorld(async (world) => {
    const owners = [
      owner("a"),
      owner("b"),
      ...["c", "d", "e", "f"].map((name) => owner(name)),
      owner("http://seed:80", { member: undefined, countsForWrites: false }),
      owner("joins", { gaining: "joining", countsForWrites: false }),
    ];
    const { run, answer, asked, hints } = await writing(world, { owners });
    const write = run();
    assertEquals(asked.map(({ name }) => name), ["b", "c", "d", "e", "f", "a"]);
    answer("b", "stored");
    answer("c", "stored");
    const { record } = await write;
    answer("a", "overloaded");
    answer("d", version(9));
    assertEquals(hints, [], "one may still store it");
    await world.wait(TIMEOUT_MS + 10);
    assertEquals(hints, ["e", "f"]);
    answer("f", "stored");
    assertEquals([hints, record.counter], [["e", "f"], 1]);
  }));

Deno.test("WriteOperation: what is not acknowledged leaves no hints, and is told of once", () =>
  inWorld(async (world) => {
    const { run, answer, hints, ended } = await writing(world);
    const write = run();
    for (const name of ["b", "c"]) answer(name, "timeout");
    assertEquals(await refusalOf(write), "quorum_unreachable");
    answer("a", "stored");
    await world.wait(TIMEOUT_MS + 10);
    assertEquals([hints, ended], [[], { written: 0, failed: 1 }]);
    answer("b", "stored");
    assertEquals([hints, ended], [["c"], { written: 0, failed: 1 }], "it is on W owners after all");
  }));

Deno.test("WriteOperation: answers to an earlier attempt say nothing of this one", () =>
  inWorld(async (world) => {
    const { run, answer, asked, ended } = await writing(world);
    const write = run();
    answer("a", version(8));
    answer("b", version(9));
    assertEquals(asked.at(-1)!.record.counter, 10, "at once, past what was seen");
    answer("c", "stored");
    answer("a", "stored", 2);
    await world.wait(1);
    assertEquals(ended, { written: 0, failed: 0 });
    answer("c", "stored", 2);
    assertEquals((await write).record.counter, 10);
  }));

Deno.test("WriteOperation: tries again five times at most, later each time, and within the budget", () =>
  inWorld(async (world) => {
    for (const [tries, attempts] of [[100, 5], [2, 3], [0, 1]] as const) {
      const atOnce = (name: string, attempt: number) =>
        name === "b" ? "refused" as const : version(100 * attempt, name);
      const { run, asked, ended, hints } = await writing(world, { atOnce, tries });
      assertEquals(await refusalOf(run()), "quorum_unreachable");
      assertEquals(asked.length, 3 * attempts);
      assertEquals([ended, hints], [{ written: 0, failed: 1 }, []]);
    }
  }));

Deno.test("WriteOperation: an attempt is sent to all before it is decided on, and the next one begins once", () =>
  inWorld(async (world) => {
    const atOnce = (name: string, attempt: number) =>
      name === "a" ? undefined : version(10 * attempt);
    const { run, asked, answer } = await writing(world, { atOnce });
    const write = run();
    write.catch(() => {});
    const names = () => asked.map(({ name }) => name).join("");
    assertEquals(names(), "bcabca");
    answer("a", version(30), 2);
    await world.wait(10);
    assertEquals(names(), "bcabcabca");
  }));

Deno.test("WriteOperation: once it was told that it failed it is not sent again", () =>
  inWorld(async (world) => {
    const { run, asked, answer } = await writing(world);
    const write = run();
    answer("a", "refused");
    for (const name of ["b", "c"]) answer(name, "timeout");
    assertEquals(await refusalOf(write), "quorum_unreachable");
    for (const name of ["b", "c"]) answer(name, version(9));
    await world.wait(100);
    assertEquals(asked.length, 3);
  }));

Deno.test("WriteOperation: with a receipt, too, its end counts once, and its deadline is over with it", () =>
  inWorld(async (world) => {
    const { run, answer, ended, deadlines } = await writing(world);
    const expired: unknown[] = [];
    const add = deadlines.add.bind(deadlines);
    deadlines.add = (item, startMs) => {
      const onDeadline = () => void expired.push(item);
      add(Object.assign(item, { onDeadline }), startMs);
    };
    const write = run(true);
    answer("a", "stored");
    answer("b", "stored");
    answer("c", "timeout");
    await write;
    answer("c", "stored"); // what really happened
    await world.wait(TIMEOUT_MS + 10);
    assertEquals([ended, expired], [{ written: 1, failed: 0 }, []]);
  }));

Deno.test("WriteOperation: a deadline that comes before the next attempt ends it", () =>
  inWorld(async (world) => {
    const { run, answer, asked, ended } = await writing(world);
    const write = run();
    for (const attempt of [1, 2]) {
      if (attempt === 2) await world.wait(TIMEOUT_MS - 1);
      answer("a", version(9 * attempt), attempt);
      answer("b", version(9 * attempt), attempt);
    }
    assertEquals(await refusalOf(write), "quorum_unreachable");
    await world.wait(1_000);
    assertEquals([asked.length, ended.failed], [6, 1]);
  }));

Deno.test("WriteOperation: without a counter nobody is asked", () =>
  inWorld(async (world) => {
    const store = new MemoryStore();
    const lamport = await LamportClock.open(new LocalState(store), 0);
    lamport.observe(5_000_000); // more than is reserved
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const apply = store.apply.bind(store);
    store.apply = (mutations) => promise.then(() => apply(mutations));
    const late = await writing(world, { lamport });
    const write = late.run(true);
    assertEquals(await refusalOf(write), "quorum_unreachable");
    resolve();
    await world.wait(1);
    assertEquals([late.asked.length, late.ended.failed], [0, 1], "it has been told of already");
    const full = await LamportClock.open(new LocalState(new MemoryStore()), 0);
    full.observe(5_000_000);
    full.reserve = () => Promise.reject(new ConvergeError("disk_full", "Cannot write"));
    const failing = await writing(world, { lamport: full });
    const startMs = world.clock.monotonicMs();
    assertEquals(await refusalOf(failing.run()), "quorum_unreachable");
    assert(world.clock.monotonicMs() - startMs < 10, "at once");
    reject(undefined);
  }));

Deno.test("WriteOperation: where too many queues are full this node does not store it either", () =>
  inWorld(async (world) => {
    const full = await writing(world, { atOnce: () => "overloaded" });
    assertEquals(await refusalOf(full.run()), "overloaded");
    assertEquals(full.asked.map(({ name }) => name), ["b", "c"]);
    const one = await writing(world, { atOnce: (name) => name === "b" ? "overloaded" : "stored" });
    await one.run();
    assertEquals(one.asked.length, 3);
  }));

Deno.test("WriteOperation: a full queue of an owner that does not count is not why it fails", () =>
  inWorld(async (world) => {
    const owners = [owner("a"), owner("b"), owner("c", { countsForWrites: false })];
    const { run } = await writing(world, {
      owners,
      atOnce: (name) => name === "c" ? "overloaded" : "refused",
    });
    assertEquals(await refusalOf(run()), "quorum_unreachable");
  }));

Deno.test("WriteOperation: this node stores nothing where it gains the arc and is not to be told", () =>
  inWorld(async (world) => {
    const owners = [
      owner("a", { gaining: "joining", countsForWrites: false }),
      owner("b"),
      owner("c"),
    ];
    const { run, asked } = await writing(world, { owners, atOnce: () => "stored" });
    await run();
    assertEquals(asked.map(({ name }) => name), ["b", "c"]);
  }));

/** The one door through which records come in and collected tombstones leave. */
import { assertEquals } from "@std/assert";
import { ConvergeError, type ErrorCode } from "../../src/errors.ts";
import type { Clock } from "../../src/platform/clock.ts";
import { Horizon } from "../../src/replication/state/horizon.ts";
import { LamportClock } from "../../src/replication/state/lamport_clock.ts";
import { LocalState } from "../../src/replication/state/local_state.ts";
import { Replica, type ReplicaChange, type ReplicaOptions } from "../../src/replication/replica.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { inWorld } from "../support/in_world.ts";
import { keyOf, record } from "../support/records.ts";

const OLD = record("k", 3);
const TOMBSTONE = record("k", 5, { value: undefined });

/** A replica that holds `TOMBSTONE`, on a store that takes its time as a disk does. */
async function replicaWithTombstone(
  clock: Clock,
  { store = new MemoryStore(), ...more }: Partial<ReplicaOptions> = {},
): Promise<Replica> {
  const state = new LocalState(store);
  const lamport = await LamportClock.open(state, 0);
  const horizon = new Horizon(state);
  const apply = store.apply.bind(store);
  store.apply = (mutations) => Promise.resolve().then(() => apply(mutations));
  const replica = new Replica({ store, clock, lamport, horizon, onStored() {}, ...more });
  await replica.apply([TOMBSTONE]);
  return replica;
}

Deno.test("Replica: a key is gone from when its tombstone begins to be erased: nothing old slips in behind", () =>
  inWorld(async ({ clock }) => {
    const replica = await replicaWithTombstone(clock);
    const collecting = replica.collect([TOMBSTONE]);
    assertEquals(await replica.apply([OLD]), [{ horizon: 5 }]);
    await collecting;
    assertEquals(replica.get(keyOf("k")), undefined);
    const again = record("k", 9);
    await replica.apply([again]);
    const { counter, nodeID } = again;
    assertEquals(await replica.apply([OLD]), [{ counter, nodeID }], "it is there again");
  }));

Deno.test("Replica: below the horizon only a fence of now is believed", () =>
  inWorld(async ({ clock }) => {
    const replica = await replicaWithTombstone(clock);
    await replica.collect([TOMBSTONE]);
    for (const fence of [undefined, 0, 4]) {
      assertEquals(await replica.apply([OLD], fence), [{ horizon: 5 }], `${fence}`);
    }
    const atHorizon = record("k", 5, { nodeID: "b.1" });
    assertEquals(await replica.apply([atHorizon]), [{ horizon: 5 }]);
    assertEquals(await replica.apply([OLD], 5), ["stored"]);
  }));

Deno.test("Replica: a copy that was read before a tombstone went is not believed, though the horizon was past that", () =>
  inWorld(async ({ clock }) => {
    const replica = await replicaWithTombstone(clock);
    const later = record("another", 9, { value: undefined });
    await replica.apply([later]);
    await replica.collect([later]);
    const fence = replica.horizon; // learned by an owner that has missed the older tombstone so far
    await replica.collect([TOMBSTONE]);
    assertEquals(await replica.apply([OLD], fence), [{ horizon: replica.horizon }]);
    assertEquals(replica.get(keyOf("k")), undefined);
  }));

Deno.test("Replica.collect(): the horizon is the highest counter of all that is collected", () =>
  inWorld(async ({ clock }) => {
    const replica = await replicaWithTombstone(clock);
    const first = record("j", 9, { value: undefined });
    await replica.apply([first]);
    await replica.collect([first, TOMBSTONE]);
    assertEquals(replica.horizon, 9);
  }));

Deno.test("Replica.erase(): no deletion ends by it, so what comes of other keys is taken as before", () =>
  inWorld(async ({ clock }) => {
    const told: ReplicaChange[] = [];
    const replica = await replicaWithTombstone(clock, { onStored: (one) => void told.push(one) });
    const { horizon } = replica;
    const { counter, nodeID } = TOMBSTONE;
    await replica.erase([TOMBSTONE]);
    assertEquals([replica.get(keyOf("k")), replica.horizon], [undefined, horizon]);
    assertEquals(told.at(-1), { key: keyOf("k"), counter, nodeID });
    assertEquals(await replica.apply([record("j", 4)]), ["stored"]);
    await replica.erase([record("j", 3)]);
    assertEquals(replica.get(keyOf("j"))?.counter, 4, "another version than was meant");
  }));

Deno.test("Replica: tells of what was stored or collected, of nothing else, and what is under way till then", () =>
  inWorld(async ({ clock }) => {
    const told: ReplicaChange[] = [];
    const replica = await replicaWithTombstone(clock, { onStored: (one) => void told.push(one) });
    const underWay = () => [...replica.keysUnderWay()];
    told.length = 0;
    const other = record("j", 6);
    const applying = replica.apply([OLD, other]);
    assertEquals(underWay(), ["k", "j"]);
    await applying;
    assertEquals([told, underWay()], [[other], []]);
    told.length = 0;
    const collecting = replica.collect([TOMBSTONE]);
    assertEquals(underWay(), ["k"]);
    await collecting;
    const { key, counter, nodeID } = TOMBSTONE;
    assertEquals([told, underWay()], [[{ key, counter, nodeID }], []]);
  }));

Deno.test("Replica: counts on from what it is given, whoever brings it", () =>
  inWorld(async ({ clock }) => {
    const lamport = await LamportClock.open(new LocalState(new MemoryStore()), 0);
    const replica = await replicaWithTombstone(clock, { lamport });
    await replica.apply([record("j", 77)]);
    assertEquals(lamport.current, 77);
    const last = record("j", 78, { value: undefined });
    await replica.apply([last]);
    await replica.collect([last]);
    await replica.collect([TOMBSTONE]); // raises the horizon past what any record has
    assertEquals([replica.horizon, lamport.current], [79, 79], "a new record is above the horizon");
  }));

Deno.test("Replica.write(): says whether the record may be on the disk nevertheless", () =>
  inWorld(async ({ clock, wait }) => {
    const store = new MemoryStore();
    let isJoining = false;
    const replica = await replicaWithTombstone(clock, { store, takesRecords: () => !isJoining });
    const answers: unknown[] = [];
    const waiter = { onWriteAnswer: (_: number, answer: unknown) => void answers.push(answer) };
    const fail = (code: ErrorCode) => {
      store.apply = () => Promise.reject(new ConvergeError(code, "Cannot write"));
    };
    for (const code of ["disk_full", "overloaded", "disk_failed"] as const) {
      fail(code);
      replica.write(record("j", 7), waiter, 0);
      await wait(1);
    }
    isJoining = true;
    replica.write(record("j", 7), waiter, 0);
    await wait(1);
    assertEquals(answers, ["overloaded", "overloaded", "timeout", "refused"]);
    const long = { ...record("j", 7), frame: new Uint8Array(2 ** 25) };
    for (const one of [long, record("j", 8)]) replica.write(one, waiter, 0);
    assertEquals(answers.at(-1), "overloaded", "at once, where the queue is full");
  }));

Deno.test("Replica: an answer has a bound, but always room for one record; the others are to be asked for again", () =>
  inWorld(async ({ clock }) => {
    const replica = await replicaWithTombstone(clock);
    const large = ["a", "b"].map((key) => record(key, 7, { value: "v".repeat(2 ** 21) }));
    await replica.apply(large);
    const ask = (...keys: string[]) =>
      replica.answer(keys.map((key) => ({ key: keyOf(key), have: undefined })));
    assertEquals(ask("none", "a", "b"), ["absent", replica.get(keyOf("a"))!, "again"]);
    assertEquals(ask("b"), [replica.get(keyOf("b"))!]);
  }));

/** What a coordinator takes, and whom its reads ask. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import type { CoordinatorCounts } from "../../../src/replication/counts.ts";
import { Coordinator } from "../../../src/replication/requests/coordinator.ts";
import type { CoordinatorOptions } from "../../../src/replication/requests/coordinator_context.ts";
import { LamportClock } from "../../../src/replication/state/lamport_clock.ts";
import { LocalState } from "../../../src/replication/state/local_state.ts";
import type { Topology } from "../../../src/replication/topology/topology.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { type InWorld, inWorld } from "../../support/in_world.ts";
import { member } from "../../support/members.ts";
import { bytesOf, keyOf } from "../../support/records.ts";
import { topologyOf } from "../../support/topologies.ts";

/** How a peer has been doing. */
interface Doing {
  isWell: boolean;
  latencyMs: number;
}

/** The coordinator of `node1`, whose peers never answer. */
async function coordinating(
  { clock }: InWorld,
  topology: Topology,
  { inFlightMax = 10, doing = () => ({ isWell: true, latencyMs: 1 }) }: {
    inFlightMax?: number;
    doing?: (name: string) => Doing;
  } = {},
) {
  const asked: string[] = [];
  const coordinator = new Coordinator({
    selfName: "node1",
    nodeID: "node1.1",
    clock,
    random: { next: () => 0.5 },
    lamport: await LamportClock.open(new LocalState(new MemoryStore()), 0),
    replica: { get: () => undefined, write() {} },
    topology: () => topology,
    linkTo: (name: string) => {
      const { isWell, latencyMs } = doing(name);
      return { isWell, latencyMs: () => latencyMs, write() {}, read: () => void asked.push(name) };
    },
    requestTimeoutMs: 2_000,
    inFlightMax,
    fsynced: true,
  } as unknown as CoordinatorOptions);
  return { coordinator, asked };
}

Deno.test("Coordinator: so many requests at once, and what cannot begin is none of them", () =>
  inWorld(async (world) => {
    const joining = ["node1", "node2", "node3"].map((name) => member(name, { status: "joining" }));
    const unknown = topologyOf(0, { members: joining, unresolvedSeeds: ["http://seed:80"] });
    const early = (await coordinating(world, unknown)).coordinator;
    assertThrows(() => early.read(keyOf("k")), ConvergeError, "Cannot tell the owners");
    await assertRejects(() => early.write(keyOf("k"), bytesOf("v")), ConvergeError);
    assertThrows(() => early.read(keyOf("k"), { r: 4 }), ConvergeError, "Cannot use r=4");
    assertEquals(early.inFlight, 0);

    const { coordinator } = await coordinating(world, topologyOf(3), { inFlightMax: 2 });
    const both = [coordinator.write(keyOf("k"), bytesOf("v")), coordinator.read(keyOf("k"))];
    for (const one of both) Promise.resolve(one).catch(() => {});
    const overloaded = await assertRejects(() => coordinator.write(keyOf("k"), undefined));
    assertEquals((overloaded as ConvergeError).code, "overloaded");
    assertThrows(() => coordinator.read(keyOf("k")), ConvergeError, "2 requests are under way");
    await world.wait(2_100);
    const { writes, writesFailed, reads, readsFailed }: CoordinatorCounts = coordinator.counts;
    assertEquals([writes, writesFailed, reads, readsFailed], [1, 1, 1, 1]);
    assertEquals(coordinator.inFlight, 0);
  }));

Deno.test("Coordinator: a read asks the quickest peer that is well and counts", () =>
  inWorld(async (world) => {
    const quickest = async (topology: Topology, doing: (name: string) => Doing) => {
      const { coordinator, asked } = await coordinating(world, topology, { doing });
      Promise.resolve(coordinator.read(keyOf("k"))).catch(() => {});
      return asked;
    };
    const all = topologyOf(3);
    const latencyMs = (name: string) => name === "node2" ? 1 : 50;
    const well = (name: string) => ({ isWell: true, latencyMs: latencyMs(name) });
    assertEquals(await quickest(all, well), ["node2"]);
    const failing = (name: string) => ({ isWell: name !== "node2", latencyMs: latencyMs(name) });
    assertEquals(await quickest(all, failing), ["node3"]);
    const members = [member("node1"), member("node2", { status: "refilling" }), member("node3")];
    assertEquals(await quickest(topologyOf(0, { members }), well), ["node3"]);
  }));

Deno.test("Coordinator: each request earns a share of what may be asked twice", () =>
  inWorld(async (world) => {
    const { coordinator, asked } = await coordinating(world, topologyOf(3));
    for (let i = 0; i < 200; i++) {
      Promise.resolve(coordinator.read(keyOf("k"))).catch(() => {});
      await world.wait(2_100);
    }
    assert(asked.length > 200 + 100 + 200 / 5 - 5, `${asked.length} questions`);
  }));

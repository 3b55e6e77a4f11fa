import { assertEquals } from "@std/assert";
import type { ExchangeRequest } from "../../src/replication/key_exchange.ts";
import { LocalState } from "../../src/replication/local_state.ts";
import { Refill, type RefillOptions } from "../../src/replication/refill.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { inWorld } from "../support/in_world.ts";
import { gossipOf, member } from "../support/members.ts";
import { topologyOf } from "../support/topologies.ts";

Deno.test("Refill: data lost in the middle of it is not taken for refilled, now or after a restart", async () => {
  await inWorld(async ({ clock, wait }) => {
    const state = new LocalState(new MemoryStore());
    const gossip = gossipOf(member("node1", { status: "refilling" }), {
      known: [member("node2")],
    });
    let runs = 0;
    const options = {
      gossip,
      state,
      clock,
      log: { info() {}, warn() {}, error() {} },
      replication: 3,
      requestTimeoutMs: 1_000,
      exchange: {
        run: async (request: ExchangeRequest) => {
          const counts = { pulled: 1, pushed: 0, compared: 1 };
          await request.onPage("k", counts);
          // Damage is found while the last page is on its way.
          if (++runs === 1) await refill.restart(7);
          await request.onPage(undefined, counts);
          return { ...counts, complete: true };
        },
      },
      topology: () => topologyOf(2),
      linkTo: () => ({}),
      refusedSeeds: () => 0,
      onStatus: () => Promise.resolve(),
      onBeforeRefill: () => Promise.resolve(),
    } as unknown as RefillOptions;
    const refill = new Refill(options);
    refill.start();
    while (runs === 0) await wait(10);
    assertEquals(refill.progress().done, []);
    assertEquals(state.read<{ done: string[] }>("refill")!.done, []);
    while (gossip.self.status !== "normal") await wait(10);
    assertEquals([runs, refill.progress().done], [2, ["node2"]]);
  });
});

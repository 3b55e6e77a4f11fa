import { assert, assertEquals } from "@std/assert";
import { ConvergeError } from "../../../src/errors.ts";
import { keyFromText } from "../../../src/record/key.ts";
import { Lister, type ListerOptions } from "../../../src/replication/requests/lister.ts";
import { MemoryStore } from "../../../src/storage/memory_store.ts";
import { inWorld } from "../../support/in_world.ts";
import { topologyOf } from "../../support/topologies.ts";

Deno.test("Lister: questions that nobody waits for any more have a bound, and end", () =>
  inWorld(async ({ clock, wait }) => {
    const topology = topologyOf(3);
    let underWay = 0;
    let underWayMost = 0;
    const quick = {
      request: () => Promise.resolve({ headers: new Headers(), body: new Uint8Array() }),
    };
    const slow = {
      async request() {
        underWayMost = Math.max(underWayMost, ++underWay);
        await wait(60_000);
        underWay--;
        throw new ConvergeError("timeout", "no answer");
      },
    };
    const lister = new Lister({
      store: new MemoryStore(),
      clock,
      selfName: "node1",
      topology: () => topology,
      linkTo: (name: string) => name === "node3" ? slow : quick,
    } as unknown as ListerOptions);
    const tookMs = async () => {
      const startMs = clock.monotonicMs();
      await lister.list({ prefix: keyFromText("p"), after: undefined, limit: 10, values: false });
      return clock.monotonicMs() - startMs;
    };
    assert(await tookMs() <= 100, "it waits for none that it can do without");
    let listings = 1;
    while (await tookMs() <= 100) assert(++listings < 100, `${underWay} are left behind`);
    assertEquals([listings, underWayMost], [32, 33]);
    await wait(60_000);
    assertEquals([underWay, await tookMs() <= 100], [0, true], "once these have ended");
  }));

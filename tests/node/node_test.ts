/** A node as a whole, over a store in memory. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DEFAULTS, type NodeConfig } from "../../src/config.ts";
import { ConvergeError } from "../../src/errors.ts";
import { ConvergeNode } from "../../src/node.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { SeededRandom } from "../../src/simulation/virtual/random_streams.ts";
import { MemoryStore } from "../../src/storage/memory_store.ts";
import { DATA } from "../../src/storage/store.ts";
import { InstantClock } from "../storage/instant_clock.ts";
import { originOf } from "../support/members.ts";

function open(store: MemoryStore, config: Partial<NodeConfig>): Promise<ConvergeNode> {
  const platform = {
    random: new SeededRandom(1, "node"),
    clock: new InstantClock(),
    network: { request: () => Promise.reject(new ConvergeError("unreachable", "nobody")) },
    log: { info() {}, warn() {}, error() {} },
  } as unknown as Platform;
  const own = { ...DEFAULTS, advertise: originOf("a"), peers: [], dataDirectory: "directory" };
  const openStore = () => Promise.resolve(store);
  return ConvergeNode.open({ ...own, name: "a", ...config }, platform, { openStore });
}

Deno.test("ConvergeNode.open(): lets go of its store where it cannot be that node", async () => {
  const store = new MemoryStore();
  const node = await open(store, { name: "a" });
  assertEquals(store.get(DATA, "k"), undefined);
  const error = await assertRejects(() => open(store, { name: "b" }), ConvergeError);
  assertEquals(error.code, "wrong_data");
  assertEquals(assertThrows(() => store.get(DATA, "k"), ConvergeError).code, "closed");
  await node.stop();
});
